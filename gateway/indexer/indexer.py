"""Follows the chain: polls it for events and writes them, one transaction a poll.

Of several replicas on one database one indexes, by a lease; the version of the index
decides whether what it writes still fits, so nothing is ever indexed twice.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy.orm import Session

from gateway.database import leases
from gateway.database.engine import Database
from gateway.indexer.apply import apply_logs, forget_all
from gateway.indexer.position import (
    IndexedHead,
    IndexedMarket,
    load_position,
    move,
    note_block,
    prepare,
    read_head,
)
from gateway.indexer.window import Window
from protocol.chain.cursor import EventBatch, EventCursor, LogSource
from protocol.market.events import Log

__all__ = ["ChainSource", "IndexStep", "Indexer"]

LEASE = "indexer"
LEASE_SECONDS = 15.0


class ChainSource(LogSource, Protocol):
    """What is indexed; `MarketReader` is one."""

    def block_time(self, block: int) -> int:
        """Time of a block, Unix seconds."""
        ...


@dataclass(frozen=True, slots=True)
class IndexStep:
    """What a step came to.

    Attributes:
        is_leader: Whether this replica indexes at present.
        event_count: Events that it wrote.
        rewound_to: Last block that still stood, if the chain was reorganised.
        head: Last block that is indexed, by whomever.
        chain_head: Last block that could be.
    """

    is_leader: bool
    event_count: int
    rewound_to: int | None
    head: int
    chain_head: int

    @property
    def lag_blocks(self) -> int:
        """Blocks that are mined and not indexed."""
        return max(0, self.chain_head - self.head)


class _Overtaken(Exception):
    """Another replica wrote meanwhile."""


class Indexer:
    """Brings one database in step with one market; for one thread."""

    def __init__(
        self,
        database: Database,
        source: ChainSource,
        market: IndexedMarket,
        *,
        confirmations: int = 0,
        lease_seconds: float = LEASE_SECONDS,
        holder: str | None = None,
    ) -> None:
        """Note the market in the database, or check that it is the same.

        Args:
            database: Migrated.
            source: The market's node.
            market: What is indexed.
            confirmations: Blocks that must lie above one before it is indexed.
            lease_seconds: How long after its last sign of life a replica is replaced.
            holder: Name of this replica, unique; any when None.

        Raises:
            ConfigError: The database holds the index of another market.
            DatabaseUnavailable: The database is down or locked.
        """
        self._database = database
        self._source = source
        self._market = market
        self._window = Window(source, confirmations=confirmations)
        self._lease_seconds = lease_seconds
        self._holder = holder or secrets.token_hex(8)
        self._renew_at = 0.0
        self._cursor: EventCursor | None = None
        self._head = IndexedHead(market.start_block - 1, 0, 0)
        database.write(lambda session: prepare(session, market))

    def step(self) -> IndexStep:
        """Index what is new, at most one window of blocks.

        It succeeds as a whole or leaves the database as it was.

        Raises:
            RpcUnavailable: The node failed; step again.
            DatabaseUnavailable: The database is down or locked; step again.
            DatabaseError: The database refuses.
        """
        if not self._lead():
            return self._follow()
        try:
            return self._advance()
        except BaseException:
            # The cursor may have gone on while the database did not.
            self._cursor = None
            raise

    def resign(self) -> None:
        """Let another replica take over at once."""
        self._cursor, self._renew_at = None, 0.0
        self._database.write(
            lambda session: leases.release(session, LEASE, self._holder)
        )

    # ---------------------------------------------------------------- private

    def _lead(self) -> bool:
        now = time.monotonic()
        if now < self._renew_at:
            return True
        with self._database.writing() as session:
            is_mine = leases.acquire(session, LEASE, self._holder, self._lease_seconds)
        self._renew_at = now + self._lease_seconds / 3 if is_mine else 0.0
        return is_mine

    def _follow(self) -> IndexStep:
        self._cursor = None
        with self._database.reading() as session:
            head = read_head(session)
        number = self._market.start_block - 1 if head is None else head.number
        return IndexStep(False, 0, None, number, self._window.last_block())

    def _advance(self) -> IndexStep:
        cursor = self._cursor or self._restore()
        self._window.open_above(self._head.number)
        batch = cursor.poll()
        logs = self._timed(batch.logs)
        chain_head = self._window.chain_head
        if batch.rewound_to is None and batch.head == self._head.number:
            return IndexStep(True, 0, None, batch.head, chain_head)
        try:
            self._head = self._write(cursor, batch, logs)
        except _Overtaken:
            self._cursor, self._renew_at = None, 0.0
            return self._follow()
        self._window.adapt(len(logs))
        return IndexStep(True, len(logs), batch.rewound_to, batch.head, chain_head)

    def _restore(self) -> EventCursor:
        with self._database.reading() as session:
            position = load_position(session)
            head = read_head(session)
        if head is not None:
            self._head = head
        self._cursor = EventCursor(
            self._window, start_block=self._market.start_block, position=position
        )
        return self._cursor

    def _write(
        self, cursor: EventCursor, batch: EventBatch, logs: Sequence[Log]
    ) -> IndexedHead:
        position = cursor.position
        at = 0 if position is None else self._time_of_head(position.block_number, logs)
        with self._database.writing() as session:
            if not move(session, self._head.version, batch.head, at):
                raise _Overtaken
            _apply(session, self._market, batch, logs)
            if position is not None:
                note_block(session, position.block_number, position.block_hash, at)
        return IndexedHead(batch.head, at, self._head.version + 1)

    def _timed(self, logs: Sequence[Log]) -> Sequence[Log]:
        """The logs with the times of their blocks, which not every node states."""
        if all(log.block_time is not None for log in logs):
            return logs
        numbers = {log.block_number for log in logs if log.block_time is None}
        times = {number: self._source.block_time(number) for number in sorted(numbers)}
        return [
            replace(log, block_time=times.get(log.block_number, log.block_time))
            for log in logs
        ]

    def _time_of_head(self, number: int, logs: Sequence[Log]) -> int:
        last = logs[-1] if logs else None
        if last is not None and last.block_number == number and last.block_time:
            return last.block_time
        return self._source.block_time(number)


def _apply(
    session: Session, market: IndexedMarket, batch: EventBatch, logs: Sequence[Log]
) -> None:
    rewound_to = batch.rewound_to
    if rewound_to is not None and rewound_to < market.start_block:
        forget_all(session)
        rewound_to = None
    apply_logs(session, logs, rewound_to)
