"""Logs of a range of blocks, in requests as large as the node allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_typing import ChecksumAddress
from web3 import Web3

from protocol.chain.events import Log, decode_log
from protocol.chain.rpc import RpcRefusal, request

__all__ = ["MOST_BLOCKS_AT_ONCE", "fetch_logs"]

MOST_BLOCKS_AT_ONCE = 10_000


def fetch_logs(
    web3: Web3,
    *,
    addresses: Sequence[ChecksumAddress],
    topics: Sequence[Any],
    from_block: int,
    to_block: int,
) -> list[Log]:
    """Our events in a range of blocks, both ends included, in their order.

    Args:
        web3: From `rpc.connect`.
        addresses: Contracts that emitted them.
        topics: Filter as `eth_getLogs` takes it.
        from_block: First block.
        to_block: Last block; before the first one there are none.

    Raises:
        RpcUnavailable: The node failed, or refuses even a single block.
    """
    found: list[Log] = []
    size = MOST_BLOCKS_AT_ONCE
    start = from_block
    while start <= to_block:
        end = min(start + size - 1, to_block)
        query = {
            "address": list(addresses),
            "topics": list(topics),
            "fromBlock": hex(start),
            "toBlock": hex(end),
        }
        try:
            raw_logs = request(web3, "eth_getLogs", query)
        except RpcRefusal:
            if start == end:
                raise
            # Nodes limit blocks or logs of a request, each at another number.
            size = (end - start + 1) // 2
            continue
        decoded = (decode_log(raw) for raw in raw_logs)
        found += (log for log in decoded if log is not None)
        start = end + 1
    return sorted(found, key=lambda log: (log.block_number, log.log_index))
