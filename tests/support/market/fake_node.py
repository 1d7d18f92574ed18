"""A node that serves headers, receipts and proofs of a chain that holds given logs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from typing import Any

import rlp
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from trie.hexary import HexaryTrie

from protocol.chain.abi.contracts import (
    Parameter,
    encode_parameters,
    interface,
    parameter_types,
)
from protocol.chain.client import MarketClient
from protocol.chain.proofs.build import prove_job
from protocol.chain.proofs.verify import JobProof, record_slot
from protocol.chain.rpc.endpoint import RpcRefusal
from protocol.chain.rpc.header import encode_header
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import Event, JobSettled, Log, ResultAccepted
from protocol.market.transcript import final_word
from protocol.market.types import JobId, JobState

_EMPTY = to_hex(bytes(32))
_BLOOM = to_hex(bytes(256))
_CODE_HASH = keccak(text="code")


class FakeNode:
    """Answers what `proofs.build.prove_job` asks, as `web3` would."""

    def __init__(self, marketplace: str, logs: Sequence[Log], head: int) -> None:
        self._marketplace = marketplace
        self._logs = list(logs)
        self._blocks: list[dict[str, Any]] = []
        self._states: list[tuple[HexaryTrie, HexaryTrie]] = []
        parent = _EMPTY
        for number in range(head + 1):
            block = self._block(number, parent)
            parent = block["hash"]
            self._blocks.append(block)
        self.block_number = head
        self.oldest_state = 0

    @property
    def eth(self) -> FakeNode:
        return self

    @property
    def manager(self) -> FakeNode:
        return self

    def block_hash(self, number: int) -> str | None:
        if number > self.block_number:
            return None
        return str(self._blocks[number]["hash"])

    def request_blocking(self, method: str, params: list[Any]) -> Any:
        if method == "eth_getProof":
            _, (slot,), number = params
            return self._proof(from_hex(slot), int(number, 16))
        number = int(params[0], 16)
        if method == "eth_getBlockReceipts":
            return self._receipts(number)
        assert method == "eth_getBlockByNumber"
        return self._blocks[number]

    # ------------------------------------------------------------ private

    def _block(self, number: int, parent: str) -> dict[str, Any]:
        logs = [log for log in self._logs if log.block_number == number]
        if logs or not self._states:
            self._states.append(self._state(number))
        else:
            self._states.append(self._states[-1])
        block: dict[str, Any] = {
            "parentHash": parent,
            "stateRoot": to_hex(self._states[-1][0].root_hash),
            "receiptsRoot": to_hex(_receipts_root(self._receipts(number))),
            "logsBloom": _BLOOM,
            "miner": to_hex(bytes(20)),
            "nonce": to_hex(bytes(8)),
            "extraData": "0x",
            **dict.fromkeys(("sha3Uncles", "transactionsRoot", "mixHash"), _EMPTY),
            **dict.fromkeys(("difficulty", "gasLimit", "gasUsed", "timestamp"), "0x0"),
            "number": hex(number),
        }
        block["hash"] = to_hex(keccak(encode_header(block)))
        return block

    def _state(self, number: int) -> tuple[HexaryTrie, HexaryTrie]:
        storage = HexaryTrie({})
        storage[keccak(bytes(32))] = rlp.encode(7)
        for log in self._logs:
            if log.block_number <= number and isinstance(log.event, JobSettled):
                word = self._word(log.event)
                storage[keccak(record_slot(log.event.job_id))] = rlp.encode(word)
        accounts = HexaryTrie({})
        for label in ("a", "b"):
            accounts[keccak(text=label)] = b"another account of many bytes, or more"
        account = [1, 0, storage.root_hash, _CODE_HASH]
        accounts[keccak(hexstr=self._marketplace)] = rlp.encode(account)
        return accounts, storage

    def _word(self, settled: JobSettled) -> int:
        answer = bytes(32)
        for log in self._logs:
            event = log.event
            if isinstance(event, ResultAccepted) and event.job_id == settled.job_id:
                answer = event.answer
        return final_word(JobState(settled.state), answer, settled.transcript)

    def _proof(self, slot: bytes, number: int) -> dict[str, Any]:
        if number < self.oldest_state:
            raise RpcRefusal("eth_getProof: no state", "no state")
        accounts, storage = self._states[number]
        key = keccak(hexstr=self._marketplace)
        return {
            "accountProof": _nodes(accounts, key),
            "storageProof": [{"proof": _nodes(storage, keccak(slot))}],
        }

    def _receipts(self, number: int) -> list[dict[str, Any]]:
        receipts: dict[str, dict[str, Any]] = {}
        for log in self._logs:
            if log.block_number == number:
                empty = {
                    "transactionHash": log.tx_hash,
                    "transactionIndex": hex(len(receipts)),
                    "type": "0x2",
                    "status": "0x1",
                    "cumulativeGasUsed": hex(21_000 * (len(receipts) + 1)),
                    "logsBloom": _BLOOM,
                    "logs": [],
                }
                receipts.setdefault(log.tx_hash, empty)["logs"].append(_raw(log))
        return list(receipts.values())


class NodeCache:
    """The node of a chain; made anew when the chain has grown."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._node: FakeNode | None = None

    def at(self, chain: ProvableMarket) -> FakeNode:
        size = (len(chain.logs), chain.block)
        if self._node is None or self._size != size:
            marketplace = chain.deployment.marketplace
            self._node = FakeNode(marketplace, chain.logs, chain.block)
            self._size = size
        self._node.oldest_state = chain.oldest_state
        return self._node


class ProvableMarket(MarketClient, ABC):
    """Proves jobs of a chain that holds its logs."""

    logs: list[Log]
    block: int
    oldest_state: int
    nodes: NodeCache

    def prove_job(self, job_id: JobId, logs: Sequence[Log]) -> JobProof:
        self.fail_if_told()
        node: Any = self.nodes.at(self)
        return prove_job(node, self.deployment.marketplace, job_id, logs)

    def block_hash(self, number: int) -> str | None:
        self.fail_if_told()
        return self.nodes.at(self).block_hash(number)

    @abstractmethod
    def fail_if_told(self) -> None:
        """Raise what a test told it to raise, if anything."""


def _nodes(tree: HexaryTrie, key: bytes) -> list[str]:
    proof = tree.get_proof(key)  # type: ignore[no-untyped-call]
    encoded = [rlp.encode(node) for node in proof]
    kept = [node for i, node in enumerate(encoded) if i == 0 or len(node) >= 32]
    return [to_hex(node) for node in kept]


def _receipts_root(receipts: list[dict[str, Any]]) -> bytes:
    tree = HexaryTrie({})
    for index, one in enumerate(receipts):
        logs = [
            [
                from_hex(log["address"]),
                [from_hex(topic) for topic in log["topics"]],
                from_hex(log["data"]),
            ]
            for log in one["logs"]
        ]
        gas = int(one["cumulativeGasUsed"], 16)
        content = rlp.encode([1, gas, bytes(256), logs])
        tree[rlp.encode(index)] = b"\x02" + content
    return bytes(tree.root_hash)


def _raw(log: Log) -> dict[str, Any]:
    topics, data = encode_event(log.event)
    return {"address": log.address, "topics": topics, "data": data}


@cache
def _definitions() -> dict[str, tuple[bytes, Parameter]]:
    return {
        one["name"]: (topic, one)
        for name in ("ModelRegistry", "Marketplace")
        for topic, one in interface(name).events.items()
    }


def encode_event(event: Event) -> tuple[list[str], str]:
    """Topics and data of an event in hexadecimal, as the EVM would log it."""
    topic, definition = _definitions()[type(event).__name__]
    topics, plain, values = [to_hex(topic)], [], []
    fields = type(event).__dataclass_fields__
    for parameter, name in zip(definition["inputs"], fields, strict=True):
        value: Any = getattr(event, name)
        if parameter["indexed"]:
            encoded = encode(parameter_types([parameter]), [value])
            topics.append(to_hex(encoded))
        else:
            plain.append(parameter)
            values.append(value)
    return topics, "0x" + encode_parameters("event", plain, values).hex()
