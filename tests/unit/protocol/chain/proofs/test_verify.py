"""Merkle Patricia proofs against tries that the library itself has built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rlp
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from protocol.chain.proofs.verify import Header, proven_logs, proven_word, record_slot
from protocol.errors import BadProof
from protocol.market.types import JobId

ROOT = Path(__file__).resolve().parents[5]
SLOTS = [keccak(text=f"slot {index}") for index in range(40)]
SUCCESS = [1, 21_000, bytes(256), [[b"\x11" * 20, [b"\x22" * 32], b"data"]]]


@pytest.fixture(scope="module")
def storage() -> HexaryTrie:
    tree = HexaryTrie({})
    for index, slot in enumerate(SLOTS):
        tree[keccak(slot)] = rlp.encode(1 << 8 * index % 250)
    return tree


def nodes_of(tree: HexaryTrie, key: bytes) -> list[bytes]:
    proof = tree.get_proof(key)  # type: ignore[no-untyped-call]
    return [node for node in map(rlp.encode, proof) if len(node) >= 32]


def test_record_slot_is_that_of_the_storage_layout() -> None:
    layout = json.loads((ROOT / "contracts/snapshots/storage.json").read_text())
    slots = {
        entry["label"]: entry["slot"] for entry in layout["Marketplace"]["storage"]
    }
    job_id = JobId(b"\x33" * 32)
    assert record_slot(job_id) == keccak(job_id + slots["_rounds"].to_bytes(32))


@pytest.mark.parametrize("index", range(0, 40, 7))
def test_proven_word_of_every_slot_is_what_was_stored(
    storage: HexaryTrie, index: int
) -> None:
    nodes = nodes_of(storage, keccak(SLOTS[index]))
    expected = 1 << 8 * index % 250
    assert proven_word(storage.root_hash, SLOTS[index], nodes) == expected


def test_proven_word_with_any_changed_node_is_refused(storage: HexaryTrie) -> None:
    root, slot = storage.root_hash, SLOTS[3]
    nodes = nodes_of(storage, keccak(slot))
    for place, node in enumerate(nodes):
        for offset in range(len(node)):
            changed = bytearray(node)
            changed[offset] ^= 1
            with pytest.raises(BadProof):
                proven_word(
                    root, slot, [*nodes[:place], bytes(changed), *nodes[place + 1 :]]
                )
        with pytest.raises(BadProof):
            proven_word(root, slot, [*nodes[:place], *nodes[place + 1 :]])
    with pytest.raises(BadProof, match=f"node {len(nodes)} .* is not needed"):
        proven_word(root, slot, [*nodes, rlp.encode([b"more"])])


def test_proven_word_of_an_empty_slot_is_refused(storage: HexaryTrie) -> None:
    absent = keccak(text="nothing here")
    with pytest.raises(BadProof, match="the storage is not under its root"):
        proven_word(storage.root_hash, absent, nodes_of(storage, keccak(absent)))


@pytest.mark.parametrize("prefix", [b"", b"\x02"])
def test_proven_logs_of_legacy_and_typed_receipts_are_found(prefix: bytes) -> None:
    tree = HexaryTrie({})
    tree[rlp.encode(0)] = prefix + rlp.encode(SUCCESS)
    (log,) = proven_logs(tree.root_hash, 0, nodes_of(tree, rlp.encode(0)))
    assert log.address == "0x" + "11" * 20
    assert (log.topics, log.data) == ((b"\x22" * 32,), b"data")


@pytest.mark.parametrize(
    ("receipt", "told"),
    [
        ([0, *SUCCESS[1:]], "no receipt of success"),
        (SUCCESS[:3], "no receipt of success"),
        ([*SUCCESS[:3], b"logs of some kind"], "without a list of logs"),
        ([*SUCCESS[:3], [[b"\x11" * 20, []]]], "has not three fields"),
        ([*SUCCESS[:3], [[b"\x11" * 20, b"", b""]]], "without a list of topics"),
    ],
)
def test_proven_logs_of_what_is_no_good_receipt_are_refused(
    receipt: list[object], told: str
) -> None:
    tree = HexaryTrie({})
    tree[rlp.encode(0)] = b"\x02" + rlp.encode(receipt)
    with pytest.raises(BadProof, match=told):
        proven_logs(tree.root_hash, 0, nodes_of(tree, rlp.encode(0)))


@pytest.mark.parametrize("encoded", [b"", b"\x05", rlp.encode([b""] * 3), b"\xf8"])
def test_parse_of_what_is_no_header_is_refused(encoded: bytes) -> None:
    with pytest.raises(BadProof):
        Header.parse(encoded)
