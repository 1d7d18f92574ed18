"""Fetches what proves a job's end and events: headers, receipts, `eth_getProof`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rlp
from eth_typing import ChecksumAddress
from trie.hexary import HexaryTrie
from web3 import Web3

from protocol.chain.proofs.verify import (
    Header,
    JobProof,
    ReceiptProof,
    proven_account,
    proven_word,
    record_slot,
)
from protocol.chain.rpc.endpoint import RpcRefusal
from protocol.chain.rpc.header import fetch_header
from protocol.chain.rpc.provider import request
from protocol.errors import BadProof, ChainError, RequestError, RpcUnavailable
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import Log
from protocol.market.types import JobId

__all__ = ["MAX_HEADERS", "prove_job"]

MAX_HEADERS = 65_536
"""A job that took longer has no receipt: its headers alone would be tens of MB."""


def prove_job(
    web3: Web3, marketplace: ChecksumAddress, job_id: JobId, logs: Sequence[Log]
) -> JobProof:
    """Prove a job's word and its events under one block's hash.

    That block is the one of the last event where the node still has its state, else
    the latest one.

    Args:
        web3: From `rpc.connect`.
        marketplace: Its address.
        job_id: A job that has ended.
        logs: Its events, in order; the last one ended it.

    Raises:
        RequestError: More than `MAX_HEADERS` blocks lie between.
        ChainError: The chain is of a fork that this version does not know.
        RpcUnavailable: The node failed, or answers with what does not verify.
    """
    first, end = logs[0].block_number, logs[-1].block_number
    slot = record_slot(job_id)
    tip = end
    account, storage = _state_proof(web3, marketplace, slot, tip)
    header = fetch_header(web3, tip)
    if not _holds(header, marketplace, slot, account, storage):
        tip = int(web3.eth.block_number)
        account, storage = _state_proof(web3, marketplace, slot, tip)
        header = fetch_header(web3, tip)
        if not _holds(header, marketplace, slot, account, storage):
            raise RpcUnavailable(
                f"the node's proof of block {tip} (eth_getProof) does not verify"
            )
    if tip - first >= MAX_HEADERS:
        raise RequestError(
            f"the job spans {tip - first + 1} blocks; a receipt can prove at most "
            f"{MAX_HEADERS}"
        )
    before = [fetch_header(web3, number) for number in range(first, tip)]
    headers = {first + index: one for index, one in enumerate((*before, header))}
    return JobProof(
        headers=tuple(headers.values()),
        account=account,
        storage=storage,
        transactions=tuple(_receipts(web3, headers, logs)),
    )


def _state_proof(
    web3: Web3, address: ChecksumAddress, slot: bytes, number: int
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Nodes of account and storage; none where the node refuses to prove."""
    try:
        proof = request(web3, "eth_getProof", address, [to_hex(slot)], hex(number))
        (entry,) = proof["storageProof"]
        return _nodes(proof["accountProof"]), _nodes(entry["proof"])
    except RpcRefusal:
        return (), ()
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"malformed proof of block {number}: {error}") from error


def _nodes(listed: Any) -> tuple[bytes, ...]:
    return tuple(from_hex(node) for node in listed)


def _holds(
    header: bytes,
    address: ChecksumAddress,
    slot: bytes,
    account: Sequence[bytes],
    storage: Sequence[bytes],
) -> bool:
    try:
        root = Header.parse(header).state_root
        state = proven_account(root, address, account)
        proven_word(state.storage_root, slot, storage)
    except BadProof:
        return False
    return True


def _receipts(
    web3: Web3, headers: Mapping[int, bytes], logs: Sequence[Log]
) -> Iterator[ReceiptProof]:
    wanted: dict[int, set[str]] = {}
    for log in logs:
        wanted.setdefault(log.block_number, set()).add(log.tx_hash)
    for number, hashes in sorted(wanted.items()):
        receipts = _block_receipts(web3, number)
        root = Header.parse(headers[number]).receipts_root
        tree = _tree(receipts)
        if tree.root_hash != root:
            raise ChainError(
                f"the receipts of block {number} are not under its header: the chain "
                "may be of a newer fork than this version knows"
            )
        for index, receipt in enumerate(receipts):
            if receipt["transactionHash"] in hashes:
                nodes = tree.get_proof(rlp.encode(index))  # type: ignore[no-untyped-call]
                yield ReceiptProof(number, index, _encoded(nodes))


def _encoded(nodes: Sequence[Any]) -> tuple[bytes, ...]:
    # A node of less than 32 bytes lies in its parent and is none of its own.
    encoded = [rlp.encode(node.raw if hasattr(node, "raw") else node) for node in nodes]
    return tuple(
        node for index, node in enumerate(encoded) if index == 0 or len(node) >= 32
    )


def _block_receipts(web3: Web3, number: int) -> list[dict[str, Any]]:
    receipts = request(web3, "eth_getBlockReceipts", hex(number))
    if not isinstance(receipts, list):
        raise RpcUnavailable(f"the node does not have the receipts of block {number}")
    return sorted(receipts, key=lambda one: int(one["transactionIndex"], 16))


def _tree(receipts: Sequence[Mapping[str, Any]]) -> HexaryTrie:
    tree = HexaryTrie({})
    try:
        for index, receipt in enumerate(receipts):
            tree[rlp.encode(index)] = _encode_receipt(receipt)
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"malformed receipt: {error}") from error
    return tree


def _encode_receipt(receipt: Mapping[str, Any]) -> bytes:
    logs = [
        [
            from_hex(log["address"]),
            [from_hex(t) for t in log["topics"]],
            from_hex(log["data"]),
        ]
        for log in receipt["logs"]
    ]
    content: bytes = rlp.encode(
        [
            int(receipt["status"], 16),
            int(receipt["cumulativeGasUsed"], 16),
            from_hex(receipt["logsBloom"]),
            logs,
        ]
    )
    kind = int(receipt.get("type", "0x0"), 16)
    return bytes([kind]) + content if kind else content
