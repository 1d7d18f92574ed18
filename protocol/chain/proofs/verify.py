"""Merkle Patricia proofs against block headers: a storage word, a transaction's logs.

Pure: nothing here asks a node. Tries, accounts and receipts are those of the Yellow
Paper (section 4 and appendix D), typed receipts those of EIP-2718.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import rlp
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from protocol.errors import BadProof
from protocol.market.types import JobId

__all__ = [
    "AccountState",
    "Header",
    "JobProof",
    "RawLog",
    "ReceiptProof",
    "proven_account",
    "proven_logs",
    "proven_word",
    "record_slot",
]

# Of `_rounds` in the marketplace's storage layout; a test compares them.
_ROUNDS_SLOT = 5
_MIN_HEADER_FIELDS = 15
_LOG_FIELDS = 3
_RECEIPT_FIELDS = 4


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """A transaction's receipt under its block's receipts root.

    Attributes:
        block_number: The block.
        index: The transaction's place in it.
        nodes: Of the trie, from the root down, RLP.
    """

    block_number: int
    index: int
    nodes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class JobProof:
    """What shows that a job's end and its events are under one block's hash.

    Attributes:
        headers: RLP of consecutive headers: from the posting's block to the block
            whose hash is to be trusted.
        account: Proof of the marketplace's account under the last header.
        storage: Proof of the job's word under that account.
        transactions: Every transaction that emitted an event of the job, in order.
    """

    headers: tuple[bytes, ...]
    account: tuple[bytes, ...]
    storage: tuple[bytes, ...]
    transactions: tuple[ReceiptProof, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a block header that proofs need.

    Attributes:
        hash: Of the header.
        parent_hash: Hash of the header before it.
        number: Height.
        state_root: Root of the accounts after the block.
        receipts_root: Root of the receipts of the block.
    """

    hash: bytes
    parent_hash: bytes
    number: int
    state_root: bytes
    receipts_root: bytes

    @classmethod
    def parse(cls, encoded: bytes) -> Self:
        """Read a header from its RLP. Raises BadProof if it is none."""
        fields = _list_of(encoded, "header")
        if len(fields) < _MIN_HEADER_FIELDS:
            raise BadProof(f"a header has {len(fields)} fields")
        return cls(
            hash=keccak(encoded),
            parent_hash=_bytes_of(fields[0]),
            number=int.from_bytes(_bytes_of(fields[8])),
            state_root=_bytes_of(fields[3]),
            receipts_root=_bytes_of(fields[5]),
        )


@dataclass(frozen=True, slots=True)
class AccountState:
    """The parts of a contract's account that proofs need."""

    storage_root: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as a receipt holds it."""

    address: ChecksumAddress
    topics: tuple[bytes, ...]
    data: bytes


def record_slot(job_id: JobId) -> bytes:
    """Where the marketplace keeps a job's word: the mapping `_rounds` at its id."""
    return keccak(job_id + _ROUNDS_SLOT.to_bytes(32))


def proven_account(
    state_root: bytes, address: ChecksumAddress, nodes: Sequence[bytes]
) -> AccountState:
    """A contract's account under a state root. Raises BadProof."""
    value = _proven(state_root, keccak(hexstr=address), nodes, "account")
    fields = _list_of(value, "account")
    if len(fields) != 4:
        raise BadProof(f"an account has {len(fields)} fields")
    return AccountState(_bytes_of(fields[2]), _bytes_of(fields[3]))


def proven_word(storage_root: bytes, slot: bytes, nodes: Sequence[bytes]) -> int:
    """A word under a storage root. Raises BadProof, also where there is none."""
    value = _proven(storage_root, keccak(slot), nodes, "storage")
    return int.from_bytes(_bytes_of(_decoded(value, "storage word")))


def proven_logs(
    receipts_root: bytes, index: int, nodes: Sequence[bytes]
) -> list[RawLog]:
    """The logs of a successful transaction under a receipts root. Raises BadProof."""
    value = _proven(receipts_root, rlp.encode(index), nodes, "receipt")
    # EIP-2718: a type byte before the list, none for legacy transactions.
    is_typed = value[0] < 0x80
    fields = _list_of(value[1:] if is_typed else value, "receipt")
    if len(fields) != _RECEIPT_FIELDS or fields[0] != b"\x01":
        raise BadProof(f"transaction {index} has no receipt of success")
    if not isinstance(fields[3], list):
        raise BadProof("a receipt without a list of logs")
    return [_log(entry) for entry in fields[3]]


def _proven(root: bytes, key: bytes, nodes: Sequence[bytes], what: str) -> bytes:
    """The value at a key; every node must be needed, so none can be changed."""
    value = _lookup(root, key, nodes)
    if not value:
        raise BadProof(f"the {what} is not under its root")
    for index in range(len(nodes)):
        if _lookup(root, key, [*nodes[:index], *nodes[index + 1 :]]):
            raise BadProof(f"node {index} of the {what} is not needed")
    return value


def _lookup(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes | None:
    database = {keccak(node): node for node in nodes}
    try:
        found = HexaryTrie(database, root_hash=root).get(key)
    # Hostile nodes break the library in ways of its own.
    except Exception:
        return None
    return bytes(found) if found else None


def _log(entry: Any) -> RawLog:
    if not isinstance(entry, list) or len(entry) != _LOG_FIELDS:
        raise BadProof("a log that has not three fields")
    address, topics, data = entry
    if not isinstance(topics, list):
        raise BadProof("a log without a list of topics")
    return RawLog(
        address=to_checksum_address(_bytes_of(address)),
        topics=tuple(_bytes_of(topic) for topic in topics),
        data=_bytes_of(data),
    )


def _list_of(encoded: bytes, what: str) -> list[Any]:
    value = _decoded(encoded, what)
    if not isinstance(value, list):
        raise BadProof(f"the {what} is no RLP list")
    return value


def _decoded(encoded: bytes, what: str) -> Any:
    try:
        return rlp.decode(encoded)
    except rlp.exceptions.RLPException as error:
        raise BadProof(f"the {what} is no RLP: {error}") from error


def _bytes_of(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise BadProof("a list where RLP must hold bytes")
    return value
