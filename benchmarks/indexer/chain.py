"""A market's history as a node sends it: logs in JSON, with ABI-encoded data."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from pydantic_core import from_json

from protocol.chain.abi.decoding import decode_log
from protocol.market.events import Event, Log
from tests.support.market.fake_node import encode_event
from tests.support.market.market_history import (
    BLOCK_SECONDS,
    MADE_MARKETPLACE,
    START_TIME,
    a_job_life,
    opening,
)

__all__ = ["RawChain", "a_market"]

# Jobs whose lives begin in the same block, so that a block holds some 35 events.
_ABREAST = 9


class RawChain:
    """What an indexer reads; each look parses and decodes as one at a node would."""

    def __init__(self, blocks: Sequence[Sequence[str]]) -> None:
        """Serve blocks of logs, each log a JSON object."""
        self._blocks = blocks
        self.length = len(blocks)
        self.head = self.length - 1

    def block_number(self) -> int:
        """Number of the last mined block."""
        return self.head

    def block_hash(self, number: int) -> str | None:
        """Hash of the block at a height, or None."""
        return _block_hash(number) if number <= self.head else None

    def block_time(self, block: int) -> int:
        """Time of a block, Unix seconds."""
        return START_TIME + BLOCK_SECONDS * block

    def events(
        self,
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> list[Log]:
        """Events of a range of blocks, in order."""
        first, last = from_block or 0, self.head if to_block is None else to_block
        texts = (text for block in self._blocks[first : last + 1] for text in block)
        answer = from_json("[" + ",".join(texts) + "]")
        decoded = (decode_log(raw) for raw in answer)
        return [log for log in decoded if log is not None]


def a_market(jobs: int, *, live_blocks: int) -> RawChain:
    """A history of accepted jobs, and more of them to follow live.

    Args:
        jobs: Jobs to catch up with.
        live_blocks: Blocks that come afterwards.
    """
    blocks: list[list[str]] = [[], _texts(1, [opening(3)])]
    number = 0
    while number < jobs or len(blocks) < 2 + live_blocks:
        blocks += _abreast(number, len(blocks))
        number += _ABREAST
    target = len(blocks) + live_blocks
    while len(blocks) < target:
        blocks += _abreast(number, len(blocks))
        number += _ABREAST
    return RawChain(blocks[:target])


def _abreast(number: int, first_block: int) -> list[list[str]]:
    """The blocks of some jobs that live at the same time."""
    lives = [a_job_life(number + offset) for offset in range(_ABREAST)]
    found = []
    for step, blocks in enumerate(zip(*lives, strict=True)):
        transactions = [transaction for block in blocks for transaction in block]
        found.append(_texts(first_block + step, transactions))
    return found


def _texts(number: int, transactions: Sequence[Sequence[Event]]) -> list[str]:
    found: list[str] = []
    for position, events in enumerate(transactions):
        for event in events:
            topics, data = encode_event(event)
            raw = {
                "address": MADE_MARKETPLACE.lower(),
                "topics": topics,
                "data": data,
                "blockHash": _block_hash(number),
                "blockNumber": hex(number),
                "blockTimestamp": hex(START_TIME + BLOCK_SECONDS * number),
                "transactionHash": f"0x{number:032x}{position:032x}",
                "transactionIndex": hex(position),
                "logIndex": hex(len(found)),
                "removed": False,
            }
            found.append(json.dumps(raw))
    return found


def _block_hash(number: int) -> str:
    return f"0x{number + 1:064x}"
