"""A part of the chain at a time, so that a long history needs little memory."""

from __future__ import annotations

from collections.abc import Collection

from protocol.chain.cursor import LogSource
from protocol.market.events import Event, Log

__all__ = ["Window"]

FIRST_BLOCKS = 256
MAX_BLOCKS = 20_000
# A transaction of so many keeps other writers of a SQLite file waiting only a moment.
EVENTS_WANTED = 2_000


class Window:
    """A log source that ends a number of blocks above the last one that was read.

    The number follows the market: many blocks where little happens.
    """

    def __init__(self, source: LogSource, *, confirmations: int) -> None:
        """Show a source.

        Args:
            source: All of the chain.
            confirmations: Blocks at its end that stay out of sight.
        """
        self._source = source
        self._confirmations = confirmations
        self._size = FIRST_BLOCKS
        self._reached = 0
        self.chain_head = 0

    def open_above(self, reached: int) -> None:
        """Put the window above the last block that was read."""
        self._reached = reached

    def adapt(self, event_count: int) -> None:
        """Choose the next size by what this one held."""
        if event_count > EVENTS_WANTED:
            self._size = max(1, self._size * EVENTS_WANTED // event_count)
        elif event_count < EVENTS_WANTED // 2:
            self._size = min(MAX_BLOCKS, self._size * 2)

    def last_block(self) -> int:
        """Number of the last block that is not too young."""
        return self._source.block_number() - self._confirmations

    def block_number(self) -> int:
        """Number of the last block in sight."""
        self.chain_head = self.last_block()
        return min(self.chain_head, self._reached + self._size)

    def block_hash(self, number: int) -> str | None:
        """Hash of the block at a height, or None."""
        return self._source.block_hash(number)

    def events(
        self,
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> list[Log]:
        """Events of a range of blocks, in order."""
        return self._source.events(
            from_block=from_block, to_block=to_block, kinds=kinds
        )
