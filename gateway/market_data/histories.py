"""One job's whole history: rounds, members, money and gas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eth_typing import ChecksumAddress
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from gateway.indexer.event_rows import logs_of_job
from gateway.indexer.models import EventRow, MemberRow, RoundRow, TransactionRow
from gateway.indexer.projection import Verdict
from gateway.market_data.jobs import JobSummary, find_job
from protocol.digests import Digest
from protocol.market.events import BountyPaid, EntrySkipped, Log, entries_of
from protocol.market.timeline import Timeline
from protocol.market.types import JobId, OutcomeStatus

__all__ = [
    "Cost",
    "Flow",
    "FlowKind",
    "JobHistory",
    "MemberView",
    "RoundView",
    "job_history",
]


@dataclass(frozen=True, slots=True)
class MemberView:
    """A place of a committee; `market_members` says what each field means."""

    round_number: int
    place: int
    seat_id: int
    worker: ChecksumAddress | None
    commitment: bytes | None
    committed_at: int | None
    committed_tx: bytes | None
    answer: bytes | None
    outcome_status: OutcomeStatus | None
    token_count: int | None
    results_root: bytes | None
    results_digest: Digest | None
    revealed_at: int | None
    revealed_tx: bytes | None
    verdict: Verdict
    earned: int
    slashed: int


@dataclass(frozen=True, slots=True)
class RoundView:
    """A round with its committee; `market_rounds` says what each field means."""

    number: int
    armed_at: int | None
    seed_block: int | None
    expiry_block: int | None
    seed: bytes | None
    drawn_at: int | None
    commit_deadline: int | None
    reveal_deadline: int | None
    split_at: int | None
    members: tuple[MemberView, ...]


class FlowKind(StrEnum):
    """What money moved for."""

    ESCROW = "escrow"
    PAY = "pay"
    BOUNTY = "bounty"
    FEE = "fee"
    REFUND = "refund"
    SLASH = "slash"


@dataclass(frozen=True, slots=True)
class Flow:
    """Money that moved.

    Attributes:
        kind: What for. Escrow comes in, a slash goes from a bond to the sink, all else
            goes out of the escrow.
        account: Whose it was (escrow, slash) or is now; None for the treasury.
        amount: Token units.
        at: When, Unix seconds.
        tx_hash: Transaction, `0x` and 64 digits.
    """

    kind: FlowKind
    account: ChecksumAddress | None
    amount: int
    at: int
    tx_hash: str


@dataclass(frozen=True, slots=True)
class Cost:
    """A transaction that moved the job.

    Attributes:
        tx_hash: The transaction.
        at: Its time, Unix seconds.
        gas_used: Its gas; None until it has been looked up.
        gas_price: Wei a unit of gas; None likewise.
        job_count: Jobs that it moved; they share its gas.
    """

    tx_hash: bytes
    at: int
    gas_used: int | None
    gas_price: int | None
    job_count: int


@dataclass(frozen=True, slots=True)
class JobHistory:
    """Everything about a job.

    Attributes:
        summary: What it came to.
        timeline: Its events in the terms of the protocol; a log's `block_time` is set.
        rounds: Its rounds with their committees.
        flows: Where the money went, in order.
        costs: What moving it cost.
    """

    summary: JobSummary
    timeline: Timeline
    rounds: tuple[RoundView, ...]
    flows: tuple[Flow, ...]
    costs: tuple[Cost, ...]

    @property
    def gas_used(self) -> int | None:
        """The job's share of all gas; None until every cost is known."""
        shares = [_share(cost) for cost in self.costs]
        known = [share for share in shares if share is not None]
        return sum(known) if len(known) == len(shares) else None


def job_history(session: Session, job_id: JobId) -> JobHistory | None:
    """A job's history; None where the index has no such job."""
    summary = find_job(session, job_id)
    if summary is None:
        return None
    logs = logs_of_job(session, job_id)
    own = [log for log in logs if not isinstance(log.event, EntrySkipped)]
    timeline = Timeline.of(job_id, own)
    return JobHistory(
        summary=summary,
        timeline=timeline,
        rounds=_rounds(session, job_id),
        flows=tuple(sorted(_flows(timeline), key=lambda flow: flow.at)),
        costs=_costs(session, job_id),
    )


def _share(cost: Cost) -> int | None:
    if cost.gas_used is None:
        return None
    return cost.gas_used // max(1, cost.job_count)


def _rounds(session: Session, job_id: JobId) -> tuple[RoundView, ...]:
    members = _select(MemberRow, MemberView)
    rounds = _select(RoundRow, RoundView)
    by_round: dict[int, list[MemberView]] = {}
    for row in session.execute(
        select(*members)
        .where(MemberRow.job_id == job_id)
        .order_by(MemberRow.round_number, MemberRow.place)
    ):
        by_round.setdefault(row.round_number, []).append(_member(row))
    found = session.execute(
        select(*rounds).where(RoundRow.job_id == job_id).order_by(RoundRow.number)
    )
    return tuple(
        RoundView(**row._mapping, members=tuple(by_round.get(row.number, ())))
        for row in found
    )


def _select(table: Any, view: Any) -> list[Any]:
    names = view.__dataclass_fields__
    return [getattr(table, name) for name in names if name != "members"]


def _member(row: Row[Any]) -> MemberView:
    values = dict(row._mapping)
    values["verdict"] = Verdict(values["verdict"])
    if values["outcome_status"] is not None:
        values["outcome_status"] = OutcomeStatus(values["outcome_status"])
    return MemberView(**values)


def _costs(session: Session, job_id: JobId) -> tuple[Cost, ...]:
    hashes = select(EventRow.tx_hash).where(
        EventRow.job_id == job_id, EventRow.kind != EntrySkipped.__name__
    )
    query = (
        select(*_select(TransactionRow, Cost))
        .where(TransactionRow.tx_hash.in_(hashes))
        .order_by(TransactionRow.block_number, TransactionRow.tx_hash)
    )
    return tuple(Cost(**row._mapping) for row in session.execute(query))


def _flows(history: Timeline) -> Iterator[Flow]:
    requester = history.posted.event.requester
    posted = history.posted
    yield _flow(FlowKind.ESCROW, requester, posted.event.escrowed, posted.log)
    for paid in history.workers_paid:
        event = paid.event
        yield _flow(FlowKind.PAY, event.worker, event.amount, paid.log)
    # The timeline leaves out the bounty of a delivery, which comes after the end.
    for bounty in entries_of(history.logs, BountyPaid):
        due = bounty.event
        yield _flow(FlowKind.BOUNTY, due.caller, due.amount, bounty.log)
    for slashed in history.slashed:
        loss = slashed.event
        yield _flow(FlowKind.SLASH, loss.worker, loss.amount, slashed.log)
    settled = history.settled
    if settled is not None and settled.event.fee:
        yield _flow(FlowKind.FEE, None, settled.event.fee, settled.log)
    ended = history.ended
    if ended is not None and ended.event.refunded:
        yield _flow(FlowKind.REFUND, requester, ended.event.refunded, ended.log)


def _flow(
    kind: FlowKind, account: ChecksumAddress | None, amount: int, log: Log
) -> Flow:
    return Flow(kind, account, amount, log.block_time or 0, log.tx_hash)
