"""Stored events: rows of logs, and logs of rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from eth_typing import ChecksumAddress
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from gateway.indexer.event_json import event_from_json, event_to_json
from gateway.indexer.models import EventRow
from gateway.indexer.projection import time_of
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import EntrySkipped, Log
from protocol.market.types import JobId

__all__ = [
    "job_of",
    "load_events",
    "logs_of_account",
    "logs_of_job",
    "portions",
    "row_of",
    "seat_of",
]

# Databases limit the variables of a statement.
_PORTION = 1_000
# Who acted, where an event says so; the first field that it has.
_ACTORS = ("worker", "requester", "caller", "account", "owner", "registrant")
_SEAT_EVENTS = frozenset({"SeatOpened", "SeatClosing", "SeatClosed", "SeatSlashed"})

_Item = TypeVar("_Item")


def row_of(log: Log) -> dict[str, Any]:
    """A log as a row of `market_events`."""
    event = log.event
    actors = (getattr(event, name, None) for name in _ACTORS)
    return {
        "block_number": log.block_number,
        "log_index": log.log_index,
        "block_hash": from_hex(log.block_hash),
        "at": time_of(log),
        "tx_hash": from_hex(log.tx_hash),
        "address": log.address,
        "kind": type(event).__name__,
        "job_id": getattr(event, "job_id", None),
        "account": next((actor for actor in actors if actor is not None), None),
        "seat_id": seat_of(log),
        "fields": event_to_json(event),
    }


def job_of(log: Log) -> JobId | None:
    """The job that a log is about; a skipped entry moves none."""
    if isinstance(log.event, EntrySkipped):
        return None
    return getattr(log.event, "job_id", None)


def seat_of(log: Log) -> int | None:
    """The seat that a log is about."""
    is_of_seat = type(log.event).__name__ in _SEAT_EVENTS
    return getattr(log.event, "seat_id", None) if is_of_seat else None


def load_events(session: Session, *conditions: Any) -> list[Log]:
    """Stored logs that meet all conditions, in the chain's order."""
    query = _all().where(*conditions)
    order = (EventRow.block_number, EventRow.log_index)
    return [_log_of(row) for row in session.execute(query.order_by(*order))]


def logs_of_job(session: Session, job_id: JobId) -> list[Log]:
    """A job's events, in order; skipped entries that name it included."""
    return load_events(session, EventRow.job_id == job_id)


def logs_of_account(
    session: Session, account: ChecksumAddress, *, limit: int
) -> list[Log]:
    """What an account did last, newest first."""
    query = (
        _all()
        .where(EventRow.account == account)
        .order_by(EventRow.block_number.desc(), EventRow.log_index.desc())
        .limit(limit)
    )
    return [_log_of(row) for row in session.execute(query)]


def portions(items: Collection[_Item]) -> Iterator[Sequence[_Item]]:
    """Items in groups that fit a statement."""
    listed = list(items)
    for start in range(0, len(listed), _PORTION):
        yield listed[start : start + _PORTION]


def _all() -> Select[Any]:
    return select(
        EventRow.block_number,
        EventRow.log_index,
        EventRow.block_hash,
        EventRow.at,
        EventRow.tx_hash,
        EventRow.address,
        EventRow.kind,
        EventRow.fields,
    )


def _log_of(row: Row[Any]) -> Log:
    return Log(
        event=event_from_json(row.kind, row.fields),
        block_number=row.block_number,
        block_hash=to_hex(row.block_hash),
        tx_hash=to_hex(row.tx_hash),
        log_index=row.log_index,
        address=row.address,
        block_time=row.at,
    )
