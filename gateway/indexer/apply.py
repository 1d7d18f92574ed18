"""Writes what a poll of the chain found, in the caller's transaction.

Going forward and going back are one path: the jobs and seats that new or undone events
touch are rebuilt from the events that remain, and their part of the totals is
exchanged. So an index that has seen reorganisations equals one made from scratch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Table, delete, insert
from sqlalchemy.orm import Session

from gateway.database.base import Base
from gateway.indexer.apply_totals import apply_totals
from gateway.indexer.event_rows import job_of, load_events, portions, row_of, seat_of
from gateway.indexer.models import (
    BlockRow,
    EventRow,
    HourRow,
    JobRow,
    MemberRow,
    ModelRow,
    ParticipantRow,
    RoundRow,
    SeatRow,
    TransactionRow,
)
from gateway.indexer.projection import (
    Row,
    project_job,
    project_model,
    project_seat,
    time_of,
)
from gateway.indexer.totals import Totals
from protocol.hexadecimal import from_hex
from protocol.market.events import Log
from protocol.market.types import JobId

__all__ = ["apply_logs", "forget_all"]

_Key = TypeVar("_Key", JobId, int)
_MARKET_TABLES: tuple[type[Base], ...] = (
    BlockRow,
    EventRow,
    HourRow,
    JobRow,
    MemberRow,
    ModelRow,
    ParticipantRow,
    RoundRow,
    SeatRow,
    TransactionRow,
)


@dataclass(frozen=True, slots=True)
class _Change:
    """Events that go and events that come."""

    removed: Sequence[Log]
    added: Sequence[Log]

    def touched(self, key_of: Callable[[Log], _Key | None]) -> set[_Key]:
        """Jobs or seats that either kind is about."""
        keys = (key_of(log) for log in (*self.removed, *self.added))
        return {key for key in keys if key is not None}


def forget_all(session: Session) -> None:
    """Empty the index: nothing of it is on the chain any more."""
    for table in _MARKET_TABLES:
        session.execute(delete(table))


def apply_logs(session: Session, logs: Sequence[Log], rewound_to: int | None) -> None:
    """Take back what is above a block, then add new events.

    Args:
        session: A writing session.
        logs: New events, in order, with the times of their blocks.
        rewound_to: Last block that still stands; None when all of them do.
    """
    removed: Sequence[Log] = ()
    if rewound_to is not None:
        removed = load_events(session, EventRow.block_number > rewound_to)
        _forget_above(session, rewound_to)
    change = _Change(removed, logs)
    totals = Totals()
    # What remains is read before the new events are written.
    jobs = _kept(session, EventRow.job_id, change.touched(job_of), job_of)
    seats = _kept(session, EventRow.seat_id, change.touched(seat_of), seat_of)
    _rebuild_jobs(session, change, jobs, totals)
    _rebuild_seats(session, change, seats, totals)
    _add_rows(session, logs)
    for sign, some in ((-1, removed), (1, logs)):
        for log in some:
            totals.count_event(log.event, sign)
    apply_totals(session, totals)


def _forget_above(session: Session, block_number: int) -> None:
    for number in (
        EventRow.block_number,
        BlockRow.number,
        TransactionRow.block_number,
        ModelRow.registered_block,
    ):
        table: Any = number.class_
        session.execute(delete(table).where(number > block_number))


def _kept(
    session: Session,
    column: Any,
    keys: set[_Key],
    key_of: Callable[[Log], _Key | None],
) -> dict[_Key, list[Log]]:
    """Stored events of some jobs or seats."""
    kept: dict[_Key, list[Log]] = {key: [] for key in keys}
    for some in portions(keys):
        for log in load_events(session, column.in_(some)):
            key = key_of(log)
            if key is not None:
                kept[key].append(log)
    return kept


def _rebuild_jobs(
    session: Session, change: _Change, kept: dict[JobId, list[Log]], totals: Totals
) -> None:
    removed, added = _grouped(change.removed, job_of), _grouped(change.added, job_of)
    changed: set[JobId] = set()
    jobs: list[Row] = []
    rounds: list[Row] = []
    members: list[Row] = []
    for job_id, logs in kept.items():
        before = project_job(job_id, [*logs, *removed[job_id]])
        after = project_job(job_id, [*logs, *added[job_id]])
        if before is not None:
            changed.add(job_id)
            totals.count_job(before, -1)
        if after is not None:
            totals.count_job(after, 1)
            jobs.append(after.job)
            rounds += after.rounds
            members += after.members
    for column in (JobRow.job_id, RoundRow.job_id, MemberRow.job_id):
        _delete_where(session, column, changed)
    _insert(session, JobRow, jobs)
    _insert(session, RoundRow, rounds)
    _insert(session, MemberRow, members)


def _rebuild_seats(
    session: Session, change: _Change, kept: dict[int, list[Log]], totals: Totals
) -> None:
    removed, added = _grouped(change.removed, seat_of), _grouped(change.added, seat_of)
    rows: list[Row] = []
    for seat_id, logs in kept.items():
        after = project_seat([*logs, *added[seat_id]])
        totals.count_seats(project_seat([*logs, *removed[seat_id]]), -1)
        totals.count_seats(after, 1)
        rows += after
    _delete_where(session, SeatRow.seat_id, kept)
    _insert(session, SeatRow, rows)


def _add_rows(session: Session, logs: Sequence[Log]) -> None:
    """What is written once and never changes."""
    _insert(session, EventRow, [row_of(log) for log in logs])
    _insert(session, TransactionRow, _transactions(logs))
    models = (project_model(log) for log in logs)
    _insert(session, ModelRow, [row for row in models if row is not None])
    counts = Counter(log.block_number for log in logs)
    blocks = {log.block_number: log for log in logs}
    _insert(
        session,
        BlockRow,
        [
            {
                "number": number,
                "hash": from_hex(log.block_hash),
                "at": time_of(log),
                "event_count": counts[number],
            }
            for number, log in blocks.items()
        ],
    )


def _transactions(logs: Sequence[Log]) -> list[Row]:
    jobs: defaultdict[str, set[JobId]] = defaultdict(set)
    for log in logs:
        job_id = job_of(log)
        if job_id is not None:
            jobs[log.tx_hash].add(job_id)
    return [
        {
            "tx_hash": from_hex(tx_hash),
            "block_number": log.block_number,
            "block_hash": from_hex(log.block_hash),
            "at": time_of(log),
            "job_count": len(jobs[tx_hash]),
            "gas_used": None,
            "gas_price": None,
        }
        for tx_hash, log in {log.tx_hash: log for log in logs}.items()
    ]


def _grouped(
    logs: Iterable[Log], key_of: Callable[[Log], _Key | None]
) -> defaultdict[_Key, list[Log]]:
    groups: defaultdict[_Key, list[Log]] = defaultdict(list)
    for log in logs:
        key = key_of(log)
        if key is not None:
            groups[key].append(log)
    return groups


def _delete_where(session: Session, column: Any, keys: Collection[_Key]) -> None:
    for some in portions(keys):
        session.execute(delete(column.class_).where(column.in_(some)))


def _insert(session: Session, model: type[Base], rows: Sequence[Row]) -> None:
    table = model.__table__
    if rows and isinstance(table, Table):
        # One statement for all rows, without an object for each.
        session.execute(insert(table), rows)
