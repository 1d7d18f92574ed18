"""Events one after the other, across restarts and reorganisations of the chain."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from protocol.market.events import Event, Log

__all__ = ["KEPT_BLOCKS", "CursorPosition", "EventBatch", "EventCursor", "LogSource"]

KEPT_BLOCKS = 256

Block = tuple[int, str]
"""Number and hash."""


class LogSource(Protocol):
    """What a cursor reads from; `MarketReader` is one."""

    def block_number(self) -> int:
        """Number of the last mined block."""
        ...

    def block_hash(self, number: int) -> str | None:
        """Hash of the block at a height, or None."""
        ...

    def events(
        self,
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> list[Log]:
        """Events of a range of blocks, in order."""
        ...


@dataclass(frozen=True, slots=True)
class CursorPosition:
    """How far a cursor has come: every log up to this block has been delivered.

    Attributes:
        block_number: The block.
        block_hash: Its hash at the time.
        earlier: Older blocks with their hashes, newest first. With them a cursor that
            is restored after a reorganisation finds the fork; without, it starts over.
    """

    block_number: int
    block_hash: str
    earlier: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class EventBatch:
    """What a poll found.

    Attributes:
        logs: New logs, in order.
        rewound_to: When the chain was reorganised: undo what came of logs above this
            block, before applying `logs`. Usually None.
        head: Last block that the cursor has seen all logs of; one before the start
            when there is none.
    """

    logs: tuple[Log, ...]
    rewound_to: int | None
    head: int


class EventCursor:
    """Delivers each log once, in order, and says when some must be taken back.

    A poll either succeeds as a whole or raises and leaves the cursor where it was.

    A chain that got shorter and is otherwise the same takes nothing back: a node that
    is behind looks like that, and a reorganised chain soon has another block at a
    height that was seen.
    """

    def __init__(
        self,
        client: LogSource,
        *,
        start_block: int,
        confirmations: int = 0,
        kinds: Collection[type[Event]] | None = None,
        position: CursorPosition | None = None,
    ) -> None:
        """Start at a block, or go on from a position.

        Args:
            client: Where to read.
            start_block: First block of interest.
            confirmations: Blocks that must lie above one before it is read.
            kinds: Only these events; all when None.
            position: From another cursor with the same arguments, if any.
        """
        self._client = client
        self._start_block = start_block
        self._confirmations = confirmations
        self._kinds = kinds
        # Newest first.
        self._seen: list[Block] = []
        if position is not None:
            here = (position.block_number, position.block_hash)
            self._seen = [here, *position.earlier]

    @property
    def position(self) -> CursorPosition | None:
        """Where a new cursor can go on; None before the first block."""
        if not self._seen:
            return None
        (number, digest), *earlier = self._seen
        return CursorPosition(number, digest, tuple(earlier))

    def poll(self) -> EventBatch:
        """Read what is new.

        Raises:
            RpcUnavailable: The node failed; poll again.
        """
        head = self._client.block_number() - self._confirmations
        # First the head, then what was seen, then the head again: if it is the same,
        # all of it stood on one chain.
        head_hash = self._client.block_hash(head) if head >= 0 else None
        seen = self._canonical(head)
        before = self._last_number(self._seen)
        reached = self._last_number(seen)
        rewound_to = reached if reached < before else None
        if head <= reached:
            self._seen = seen
            return EventBatch((), rewound_to, reached)
        logs = self._client.events(
            from_block=reached + 1, to_block=head, kinds=self._kinds
        )
        if head_hash is None or not self._is_unchanged(head, head_hash, logs):
            # Reorganised while we read: nothing of it counts.
            return EventBatch((), None, before)
        self._seen = _with_blocks(seen, logs, (head, head_hash))
        return EventBatch(tuple(logs), rewound_to, head)

    def _canonical(self, head: int) -> list[Block]:
        """The blocks seen that no other has replaced; normally all of them."""
        is_forked = False
        for index, (number, digest) in enumerate(self._seen):
            if number > head:
                continue  # not there yet, or again: proves nothing
            actual = self._client.block_hash(number)
            if actual == digest:
                return self._seen[index:] if is_forked else self._seen
            is_forked = is_forked or actual is not None
        return [] if is_forked else self._seen

    def _last_number(self, seen: list[Block]) -> int:
        return seen[0][0] if seen else self._start_block - 1

    def _is_unchanged(self, head: int, head_hash: str, logs: list[Log]) -> bool:
        is_same = all(
            log.block_hash == head_hash for log in logs if log.block_number == head
        )
        return is_same and self._client.block_hash(head) == head_hash


def _with_blocks(seen: list[Block], logs: list[Log], head: Block) -> list[Block]:
    """The blocks to remember: the head, those with new logs, and older ones."""
    with_logs = {(log.block_number, log.block_hash) for log in logs} - {head}
    return [head, *sorted(with_logs, reverse=True), *seen][:KEPT_BLOCKS]
