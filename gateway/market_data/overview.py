"""The market at a glance, and its course over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from gateway.database.sums import ExactSum
from gateway.indexer.models import (
    EventRow,
    HourRow,
    IndexRow,
    JobRow,
    ParticipantRow,
    SeatRow,
    TransactionRow,
)
from gateway.indexer.totals import HOUR_SECONDS
from gateway.market_data.jobs import jobs_by_state
from protocol.errors import RequestError
from protocol.market.events import EntrySkipped
from protocol.market.types import JobState, ModelId

__all__ = ["Overview", "Point", "gas_per_prompt", "overview", "time_series"]

_MAX_POINTS = 1_000
# Above this, figures come from whole hours.
_FINE_SECONDS = 48 * HOUR_SECONDS
_JOBS_FOR_GAS = 200
_LIVE = (JobState.OPEN, JobState.COMMITTING, JobState.REVEALING)


@dataclass(frozen=True, slots=True)
class Overview:
    """The market now.

    Attributes:
        head_number: Last block that is indexed.
        head_at: Its time; the window ends there.
        jobs: Jobs by state.
        escrowed_now: Units locked in jobs that have not ended.
        seats_open: Open seats.
        workers: Accounts with an open seat.
        staked: Bonds of all open seats, units.
        tokens: Tokens of all accepted results.
        paid: Units paid for jobs in all.
        fees: Units that went to the treasury in all.
        slashed: Units of bonds lost in jobs that have ended.
        window_seconds: Length of the window that the rest is about.
        accepted: Jobs accepted in it.
        failed: Jobs failed in it.
        tokens_per_second: Tokens of those accepted, a second of the window.
        paid_per_token: Units paid for each of them, fees included; None without any.
        mean_seconds: From posting to the end of those accepted; None without any.
        gas_per_prompt: See `gas_per_prompt`; it is about the latest jobs.
    """

    head_number: int
    head_at: int
    jobs: Mapping[JobState, int]
    escrowed_now: int
    seats_open: int
    workers: int
    staked: int
    tokens: int
    paid: int
    fees: int
    slashed: int
    window_seconds: int
    accepted: int
    failed: int
    tokens_per_second: float
    paid_per_token: float | None
    mean_seconds: float | None
    gas_per_prompt: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """A bar of a chart.

    Attributes:
        at: Begin of its span, Unix seconds.
        posted: Jobs posted in it.
        accepted: Jobs that ended in it Accepted.
        failed: Jobs that ended in it Failed.
        prompts: Prompts of the accepted ones.
        tokens: Their tokens.
        paid: Units paid for jobs that ended, fees included.
        seconds: From posting to the end, summed over the accepted ones.
    """

    at: int
    posted: int = 0
    accepted: int = 0
    failed: int = 0
    prompts: int = 0
    tokens: int = 0
    paid: int = 0
    seconds: int = 0

    @property
    def paid_per_token(self) -> float | None:
        """Units for a token of an accepted result; None without any."""
        return self.paid / self.tokens if self.tokens else None

    @property
    def mean_seconds(self) -> float | None:
        """Mean time of an accepted job; None without any."""
        return self.seconds / self.accepted if self.accepted else None


def overview(session: Session, *, window_seconds: int = 24 * HOUR_SECONDS) -> Overview:
    """The market at the last indexed block; zeros before the first.

    Args:
        session: A reading session.
        window_seconds: How far back rates and means look.
    """
    index = session.execute(
        select(IndexRow.head_number, IndexRow.head_at, IndexRow.seat_bond)
    ).first()
    number, at, bond = (-1, 0, 0) if index is None else index
    # The last block's own second counts.
    recent = _span(session, at + 1 - window_seconds, at + 1)
    totals = session.execute(
        select(
            func.coalesce(func.sum(HourRow.tokens), 0),
            ExactSum(HourRow.paid),
            ExactSum(HourRow.fee),
            ExactSum(HourRow.slashed),
        )
    ).one()
    seats = session.scalar(select(func.count()).where(SeatRow.closed_at.is_(None))) or 0
    return Overview(
        head_number=number,
        head_at=at,
        jobs=jobs_by_state(session),
        escrowed_now=_escrowed_now(session),
        seats_open=seats,
        workers=_workers(session),
        staked=seats * bond,
        tokens=int(totals[0]),
        paid=totals[1],
        fees=totals[2],
        slashed=totals[3],
        window_seconds=window_seconds,
        accepted=recent.accepted,
        failed=recent.failed,
        tokens_per_second=recent.tokens / window_seconds,
        paid_per_token=recent.paid_per_token,
        mean_seconds=recent.mean_seconds,
        gas_per_prompt=gas_per_prompt(session),
    )


def gas_per_prompt(session: Session, *, jobs: int = _JOBS_FOR_GAS) -> float | None:
    """Gas of a prompt over the latest accepted jobs, whoever paid it.

    A transaction that moved several jobs counts for each by an equal share. Jobs whose
    gas has not been looked up yet are left out; None when no job is left.
    """
    latest = (
        select(JobRow.job_id, JobRow.prompt_count)
        .where(JobRow.state == int(JobState.ACCEPTED))
        .order_by(JobRow.posted_block.desc(), JobRow.posted_index.desc())
        .limit(jobs)
        .subquery()
    )
    moves = (
        select(latest.c.job_id, latest.c.prompt_count, EventRow.tx_hash)
        .join(EventRow, EventRow.job_id == latest.c.job_id)
        .where(EventRow.kind != EntrySkipped.__name__)
        .distinct()
        .subquery()
    )
    per_job = (
        select(
            moves.c.prompt_count,
            func.sum(1.0 * TransactionRow.gas_used / TransactionRow.job_count),
        )
        .join(TransactionRow, TransactionRow.tx_hash == moves.c.tx_hash)
        .group_by(moves.c.job_id, moves.c.prompt_count)
        .having(func.count() == func.count(TransactionRow.gas_used))
    )
    rows = session.execute(per_job).all()
    prompts = sum(row[0] for row in rows)
    return sum(float(row[1]) for row in rows) / prompts if prompts else None


def time_series(
    session: Session,
    *,
    start: int,
    end: int,
    step_seconds: int,
    model_id: ModelId | None = None,
) -> tuple[Point, ...]:
    """What happened in each span of time; spans without anything are there too.

    Args:
        session: A reading session.
        start: First second, Unix time; rounded down to a whole step.
        end: Second after the last one.
        step_seconds: Length of a span. Above two days it must be whole hours.
        model_id: Of this model only.

    Raises:
        RequestError: There would be too many spans, or none.
    """
    first = start - start % max(1, step_seconds)
    if step_seconds < 1 or not 0 < end - first <= step_seconds * _MAX_POINTS:
        raise RequestError(f"ask for 1 to {_MAX_POINTS} spans of at least a second")
    is_fine = end - first <= _FINE_SECONDS
    if not is_fine and step_seconds % HOUR_SECONDS:
        raise RequestError("above two days a span must be whole hours")
    points = {at: Point(at) for at in range(first, end, step_seconds)}
    read = _from_jobs if is_fine else _from_hours
    for at, numbers in read(session, first, end, step_seconds, model_id):
        points[at] = replace(points[at], **numbers)
    return tuple(points.values())


def _span(session: Session, start: int, end: int) -> Point:
    """All of a span, from its jobs."""
    query = select(*_ended_columns()).where(
        JobRow.ended_at >= start, JobRow.ended_at < end
    )
    return Point(start, **_integers(session.execute(query).one()._mapping))


def _from_jobs(
    session: Session, start: int, end: int, step: int, model_id: ModelId | None
) -> list[tuple[int, dict[str, int]]]:
    is_model = () if model_id is None else (JobRow.model_id == model_id,)
    found: list[tuple[int, dict[str, int]]] = []
    for time, columns in (
        (JobRow.posted_at, (func.count().label("posted"),)),
        (JobRow.ended_at, _ended_columns()),
    ):
        bucket = (time - time % step).label("bucket")
        query = (
            select(bucket, *columns)
            .where(time >= start, time < end, *is_model)
            .group_by(bucket)
        )
        found += (_bucket(row._mapping) for row in session.execute(query))
    return found


def _from_hours(
    session: Session, start: int, end: int, step: int, model_id: ModelId | None
) -> list[tuple[int, dict[str, int]]]:
    is_model = () if model_id is None else (HourRow.model_id == model_id,)
    bucket = (HourRow.hour_at - HourRow.hour_at % step).label("bucket")
    names = ("posted", "accepted", "failed", "prompts", "tokens", "seconds")
    query = (
        select(
            bucket,
            *(func.sum(getattr(HourRow, name)).label(name) for name in names),
            ExactSum(HourRow.paid).label("pay"),
            ExactSum(HourRow.fee).label("fee"),
        )
        .where(HourRow.hour_at >= start, HourRow.hour_at < end, *is_model)
        .group_by(bucket)
    )
    return [_bucket(row._mapping) for row in session.execute(query)]


def _ended_columns() -> tuple[Any, ...]:
    is_accepted = JobRow.state == int(JobState.ACCEPTED)
    is_failed = JobRow.state == int(JobState.FAILED)
    seconds = JobRow.ended_at - JobRow.posted_at
    return (
        func.coalesce(func.sum(case((is_accepted, 1), else_=0)), 0).label("accepted"),
        func.coalesce(func.sum(case((is_failed, 1), else_=0)), 0).label("failed"),
        _accepted_sum(is_accepted, JobRow.prompt_count).label("prompts"),
        _accepted_sum(is_accepted, JobRow.token_count).label("tokens"),
        _accepted_sum(is_accepted, seconds).label("seconds"),
        ExactSum(JobRow.paid).label("pay"),
        ExactSum(JobRow.fee).label("fee"),
    )


def _accepted_sum(is_accepted: Any, column: Any) -> Any:
    return func.coalesce(func.sum(case((is_accepted, column), else_=0)), 0)


def _bucket(row: Mapping[Any, Any]) -> tuple[int, dict[str, int]]:
    values = dict(row)
    return int(values.pop("bucket")), _integers(values)


def _integers(row: Mapping[Any, Any]) -> dict[str, int]:
    """Numbers of a row, for the databases disagree on the types of sums."""
    values = {str(name): int(value) for name, value in row.items()}
    if "pay" in values:
        values["paid"] = values.pop("pay") + values.pop("fee")
    return values


def _escrowed_now(session: Session) -> int:
    is_live = JobRow.state.in_([int(state) for state in _LIVE])
    return session.scalar(select(ExactSum(JobRow.escrowed)).where(is_live)) or 0


def _workers(session: Session) -> int:
    query = select(func.count()).where(ParticipantRow.seats_open > 0)
    return session.scalar(query) or 0
