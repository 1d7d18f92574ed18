"""Logs of a range of blocks, in requests as large as the node allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from eth_typing import ChecksumAddress
from web3 import Web3

from protocol.chain.abi.decoding import decode_log
from protocol.chain.rpc.blocks import fetch_block
from protocol.chain.rpc.endpoint import RpcRefusal
from protocol.chain.rpc.provider import request
from protocol.errors import RpcRateLimited, RpcUnavailable
from protocol.market.events import Log

__all__ = ["MAX_BLOCKS_AT_ONCE", "ChunkSize", "fetch_logs"]

MAX_BLOCKS_AT_ONCE = 10_000

# How many chunks must succeed below a limit until more is asked for again.
_HELD_CHUNKS = 32
# "Try with this block range [0x10, 0x2f]."
_ADVICE = re.compile(r"\[\s*(0x[0-9a-fA-F]{1,16})\s*,\s*(0x[0-9a-fA-F]{1,16})\s*\]")


class ChunkSize:
    """How many blocks to ask for at once; learns from what a node refuses.

    Providers limit a request's blocks, or the logs that it finds, each at another
    number, and say so in their own words.
    """

    def __init__(self, blocks: int = MAX_BLOCKS_AT_ONCE) -> None:
        """Begin with a number of blocks, which is also the limit."""
        self._max_blocks = blocks
        self._blocks = blocks
        self._accepted = 0
        # Chunks until more is asked for again.
        self._hold = 0

    @property
    def blocks(self) -> int:
        """Blocks to ask for next, at least one."""
        return self._blocks

    def refused(self, blocks: int, reason: str) -> None:
        """The node refused that many; ask for what it took before, or advises."""
        known = self._accepted if self._accepted < blocks else 0
        self._blocks = max(1, min(known or blocks // 2, _advised(reason) or blocks))
        # If that is refused as well, it is not known to be taken any more.
        self._accepted = 0
        self._hold = _HELD_CHUNKS

    def failed(self, blocks: int) -> None:
        """A request for that many had no answer; maybe it was too much."""
        self._blocks = max(1, blocks // 2)

    def succeeded(self, blocks: int) -> None:
        """The node answered for that many; ask for more next time, or later."""
        if blocks < self._blocks:
            return  # the range was short: nothing was learnt
        self._accepted = blocks
        self._hold = max(0, self._hold - 1)
        if self._hold == 0:
            self._blocks = min(blocks + blocks // 4 + 1, self._max_blocks)


def fetch_logs(
    web3: Web3,
    *,
    addresses: Sequence[ChecksumAddress],
    topics: Sequence[Any],
    from_block: int,
    to_block: int,
    chunk_size: ChunkSize | None = None,
    fresh_blocks: int = 0,
) -> list[Log]:
    """Our events in a range of blocks, both ends included, in their order.

    Args:
        web3: From `rpc.connect`.
        addresses: Contracts that emitted them.
        topics: Filter as `eth_getLogs` takes it.
        from_block: First block.
        to_block: Last block; before the first one there are none.
        chunk_size: What was learnt of the node's limits.
        fresh_blocks: How many at the end are asked for by their hashes. A node that is
            behind answers a range that it does not have with no logs, and a hash that
            it does not have with an error.

    Raises:
        RpcUnavailable: The node failed, is behind, or refuses even a single block.
    """
    size = ChunkSize() if chunk_size is None else chunk_size
    query = {"address": list(addresses), "topics": list(topics)}
    fresh = max(from_block, to_block - fresh_blocks + 1)
    found = list(_by_range(web3, query, from_block, fresh - 1, size))
    for number in range(fresh, to_block + 1):
        found += _by_hash(web3, query, number)
    return sorted(found, key=lambda log: log.position)


def _by_range(
    web3: Web3, query: Mapping[str, Any], first: int, last: int, size: ChunkSize
) -> Iterator[Log]:
    start = first
    while start <= last:
        end = min(start + size.blocks - 1, last)
        span = end - start + 1
        limits = {"fromBlock": hex(start), "toBlock": hex(end)}
        try:
            raw_logs = request(web3, "eth_getLogs", {**query, **limits})
        except RpcRateLimited:
            raise
        except RpcRefusal as error:
            if span == 1 or error.is_behind:
                raise
            size.refused(span, error.reason)
            continue
        except RpcUnavailable:
            size.failed(span)
            raise
        size.succeeded(span)
        for log in _decoded(raw_logs):
            if not start <= log.block_number <= end:
                raise RpcUnavailable(
                    f"asked for logs of blocks {start} to {end}, the node returned "
                    f"one of block {log.block_number}"
                )
            yield log
        start = end + 1


def _by_hash(web3: Web3, query: Mapping[str, Any], number: int) -> Iterator[Log]:
    block = fetch_block(web3, number)
    if block is None:
        raise RpcUnavailable(f"the node does not have block {number} yet")
    block_hash = block.get("hash")
    raw_logs = request(web3, "eth_getLogs", {**query, "blockHash": block_hash})
    for log in _decoded(raw_logs):
        if (log.block_number, log.block_hash) != (number, block_hash):
            raise RpcUnavailable(
                f"asked for logs of block {number}, {block_hash}, the node returned "
                f"one of block {log.block_number}, {log.block_hash}"
            )
        yield log


def _decoded(raw_logs: Sequence[Mapping[str, Any]]) -> Iterator[Log]:
    decoded = (decode_log(raw) for raw in raw_logs)
    return (log for log in decoded if log is not None)


def _advised(reason: str) -> int | None:
    """Blocks of the range that a refusal advises, if it does."""
    found = _ADVICE.search(reason)
    if found is None:
        return None
    return max(int(found[2], 16) - int(found[1], 16) + 1, 1)
