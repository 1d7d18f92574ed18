"""Workers and other participants: record, earnings, seats and duties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress
from sqlalchemy import Row, select, tuple_
from sqlalchemy.orm import Session

from gateway.indexer.event_rows import logs_of_account
from gateway.indexer.models import IndexRow, MemberRow, ParticipantRow, SeatRow
from gateway.indexer.projection import Verdict
from gateway.market_data.paging import (
    MAX_ITEMS,
    Page,
    page_of,
    read_cursor,
    write_cursor,
)
from protocol.errors import RequestError
from protocol.market.events import Log
from protocol.market.types import JobId, ModelId, SlashReason

__all__ = [
    "Participant",
    "SeatDuty",
    "SeatView",
    "actions_of",
    "duties_of",
    "find_participant",
    "list_workers",
    "seats_of",
]


@dataclass(frozen=True, slots=True)
class Participant:
    """An account's record; `market_participants` says what each field means.

    Attributes:
        at_stake: Bonds of its open seats, units.
    """

    address: ChecksumAddress
    jobs_posted: int
    jobs_accepted: int
    escrowed: int
    refunded: int
    places: int
    committed: int
    revealed: int
    completed: int
    missed: int
    slashed_count: int
    slashed: int
    tokens: int
    earned: int
    bounties: int
    deposited: int
    withdrawn: int
    seats_opened: int
    seats_open: int
    at_stake: int

    @property
    def is_worker(self) -> bool:
        """Whether it ever opened a seat."""
        return self.seats_opened > 0


@dataclass(frozen=True, slots=True)
class SeatView:
    """One opening of a seat; `market_seats` says what each field means."""

    seat_id: int
    owner: ChecksumAddress
    model_id: ModelId
    tick: int
    opened_at: int
    closing_at: int | None
    closed_at: int | None
    returned: int | None
    slashed: int | None
    slash_reason: SlashReason | None
    slashed_job: JobId | None


@dataclass(frozen=True, slots=True)
class SeatDuty:
    """A place that a worker was drawn for; `market_members` says what fields mean."""

    job_id: JobId
    round_number: int
    place: int
    seat_id: int
    drawn_block: int
    drawn_at: int
    committed_at: int | None
    revealed_at: int | None
    token_count: int | None
    verdict: Verdict
    earned: int
    slashed: int


_RECORD = tuple(
    getattr(ParticipantRow, name)
    for name in Participant.__dataclass_fields__
    if name != "at_stake"
)
_SEAT = tuple(getattr(SeatRow, name) for name in SeatView.__dataclass_fields__)
_DUTY = tuple(getattr(MemberRow, name) for name in SeatDuty.__dataclass_fields__)
_MAX_DIGITS = 38


def list_workers(
    session: Session, *, cursor: str | None = None, limit: int = 50
) -> Page[Participant]:
    """Everyone who ever opened a seat, most earned first.

    Args:
        session: A reading session.
        cursor: `next_cursor` of the page before.
        limit: Most of them, at most `MOST_ITEMS`.

    Raises:
        RequestError: The cursor is malformed.
    """
    limit = max(1, min(limit, MAX_ITEMS))
    place = (ParticipantRow.earned, ParticipantRow.address)
    query = select(*_RECORD).where(ParticipantRow.seats_opened > 0)
    if cursor is not None:
        earned, address = read_cursor(cursor, 2)
        if not earned.isdecimal() or len(earned) > _MAX_DIGITS:
            raise RequestError("the cursor is malformed; take `next_cursor` of a page")
        query = query.where(tuple_(*place) < (int(earned), address))
    query = query.order_by(*(column.desc() for column in place)).limit(limit + 1)
    rows, last = page_of(session.execute(query).all(), limit)
    bond = _seat_bond(session)
    after = None if last is None else write_cursor(last.earned, last.address)
    return Page(tuple(_participant(row, bond) for row in rows), after)


def find_participant(session: Session, address: ChecksumAddress) -> Participant | None:
    """An account's record; None where no event is of it."""
    query = select(*_RECORD).where(ParticipantRow.address == address)
    row = session.execute(query).first()
    return None if row is None else _participant(row, _seat_bond(session))


def seats_of(
    session: Session, address: ChecksumAddress, *, limit: int = 50
) -> tuple[SeatView, ...]:
    """Seats that an account opened, newest first."""
    query = (
        select(*_SEAT)
        .where(SeatRow.owner == address)
        .order_by(SeatRow.opened_block.desc(), SeatRow.opened_index.desc())
        .limit(limit)
    )
    return tuple(_seat(row) for row in session.execute(query))


def duties_of(
    session: Session,
    address: ChecksumAddress,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[SeatDuty]:
    """Places that a worker was drawn for, newest first.

    Raises:
        RequestError: The cursor is malformed.
    """
    limit = max(1, min(limit, MAX_ITEMS))
    place = (MemberRow.drawn_block, MemberRow.job_id)
    query = select(*_DUTY).where(MemberRow.worker == address)
    if cursor is not None:
        query = query.where(tuple_(*place) < _duty_position(cursor))
    query = query.order_by(*(column.desc() for column in place)).limit(limit + 1)
    rows, last = page_of(session.execute(query).all(), limit)
    after = None
    if last is not None:
        after = write_cursor(last.drawn_block, last.job_id.hex())
    return Page(tuple(_duty(row) for row in rows), after)


def actions_of(
    session: Session, address: ChecksumAddress, *, limit: int = 50
) -> list[Log]:
    """What an account did last, newest first, as the chain's events."""
    return logs_of_account(session, address, limit=min(limit, MAX_ITEMS))


def _seat_bond(session: Session) -> int:
    return session.scalar(select(IndexRow.seat_bond)) or 0


def _participant(row: Row[Any], bond: int) -> Participant:
    return Participant(**row._mapping, at_stake=row.seats_open * bond)


def _seat(row: Row[Any]) -> SeatView:
    values = dict(row._mapping)
    if values["slash_reason"] is not None:
        values["slash_reason"] = SlashReason(values["slash_reason"])
    return SeatView(**values)


def _duty(row: Row[Any]) -> SeatDuty:
    values = dict(row._mapping)
    values["verdict"] = Verdict(values["verdict"])
    return SeatDuty(**values)


def _duty_position(cursor: str) -> tuple[int, bytes]:
    block, job_id = read_cursor(cursor, 2)
    try:
        position = int(block), bytes.fromhex(job_id)
    except ValueError:
        position = -1, b""
    if not 0 <= position[0] < 2**63:
        raise RequestError("the cursor is malformed; take `next_cursor` of a page")
    return position
