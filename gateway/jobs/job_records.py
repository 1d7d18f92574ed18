"""Jobs in the database, and what each of their steps means for the calls in them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gateway.accounts import ledger
from gateway.database.clock import DatabaseNow
from gateway.jobs.calls import now, open_calls_of, refuse
from gateway.jobs.sharing import Bill, Share, split_bill
from gateway.jobs.tables import (
    LIVE_JOBS,
    CallFault,
    CallRow,
    CallState,
    GatewayJobRow,
    SharedJobStage,
)
from protocol.documents.results import Output
from protocol.market.types import JobId
from requester.jobs.drafts import Draft

__all__ = [
    "claim_expired",
    "create_job",
    "end_without_answer",
    "forget",
    "hold",
    "let_go",
    "live_jobs",
    "mark_accepted",
    "mark_posted",
    "mark_posting",
    "mark_settled",
]


# ---------------------------------------------------------------- who moves it


def live_jobs(session: Session, replica: str) -> Sequence[GatewayJobRow]:
    """The jobs that a replica moves on, oldest first."""
    statement = select(GatewayJobRow).where(
        GatewayJobRow.holder == replica, GatewayJobRow.stage.in_(LIVE_JOBS)
    )
    order = (GatewayJobRow.created_at, GatewayJobRow.job_id)
    return session.scalars(statement.order_by(*order)).all()


def hold(session: Session, replica: str, seconds: float) -> None:
    """Keeps other replicas away from a replica's jobs for so long, from now."""
    session.execute(
        update(GatewayJobRow)
        .where(GatewayJobRow.holder == replica, GatewayJobRow.stage.in_(LIVE_JOBS))
        .values(held_until=DatabaseNow() + seconds)
    )


def claim_expired(
    session: Session, replica: str, seconds: float, fault: CallFault
) -> list[str]:
    """Takes over the jobs whose replica has not been heard of.

    One that was only drafted was certainly never sent. It is given up: its callers are
    gone and are charged nothing, and lines of batches wait for another job.

    Returns:
        The calls that were ended.
    """
    statement = select(GatewayJobRow).where(
        GatewayJobRow.stage.in_(LIVE_JOBS), GatewayJobRow.held_until <= DatabaseNow()
    )
    ended = []
    moment = now(session)
    for row in session.scalars(statement.with_for_update(skip_locked=True)).all():
        row.holder, row.held_until = replica, moment + seconds
        if row.stage == SharedJobStage.DRAFTED:
            ended += _disband(session, row, replica, fault)
    return ended


def _disband(
    session: Session, row: GatewayJobRow, replica: str, fault: CallFault
) -> list[str]:
    _move(session, row, SharedJobStage.FORGOTTEN)
    row.content, row.cost, row.absorbed = None, 0, 0
    ended = []
    for call in open_calls_of(session, row.job_id):
        if call.batch_id is None:
            refuse(session, call, CallState.RELEASED, fault)
            ended.append(call.call_id)
        else:
            call.job_id = call.first_output = None
            call.replica = replica
    return ended


def let_go(session: Session, replica: str) -> None:
    """Gives up a replica's jobs, for another replica to take over."""
    session.execute(
        update(GatewayJobRow)
        .where(GatewayJobRow.holder == replica)
        .values(held_until=0.0)
    )


# ---------------------------------------------------------------- steps


def create_job(
    session: Session,
    job_id: JobId,
    draft: Draft,
    call_ids: Sequence[str],
    replica: str,
    seconds: float,
) -> GatewayJobRow | None:
    """Makes a job of waiting calls, all of them or none.

    Args:
        session: A writing session.
        job_id: Id of the draft's job.
        draft: The job, its prompts those of the calls in order.
        call_ids: The calls.
        replica: Who moves it on.
        seconds: How long others stay away.

    Returns:
        The job; None if a call is not waiting any more, and then nothing was done.
    """
    statement = select(CallRow).where(CallRow.call_id.in_(call_ids)).with_for_update()
    found = {row.call_id: row for row in session.scalars(statement)}
    calls = [found[call_id] for call_id in call_ids if call_id in found]
    if len(calls) < len(call_ids) or not all(map(_is_waiting, calls)):
        return None
    moment = now(session)
    row = GatewayJobRow(
        job_id=job_id,
        params=draft.params,
        content=draft.content,
        stage=SharedJobStage.DRAFTED,
        holder=replica,
        held_until=moment + seconds,
        escrowed=draft.estimate.escrow,
        created_at=moment,
        changed_at=moment,
    )
    session.add(row)
    # The calls refer to it.
    session.flush()
    first = 0
    for call in calls:
        call.job_id, call.first_output, call.changed_at = job_id, first, moment
        first += call.prompt_count
    return row


def mark_posting(session: Session, job_id: JobId) -> bool:
    """Notes that a drafted job is about to be sent. Returns whether it may be."""
    row = _locked(session, job_id, SharedJobStage.DRAFTED)
    if row is not None:
        _move(session, row, SharedJobStage.POSTING)
    return row is not None


def mark_posted(
    session: Session, job_id: JobId, block: int, gas_used: int | None
) -> bool:
    """Notes that a job stands on chain. Returns whether that was news."""
    row = _locked(session, job_id, SharedJobStage.POSTING, SharedJobStage.POSTED)
    if row is None:
        return False
    _move(session, row, SharedJobStage.POSTED)
    row.posted_block = block
    row.gas_used = gas_used if gas_used is not None else row.gas_used
    for call in open_calls_of(session, job_id):
        if call.state == CallState.RESERVED:
            call.state, call.changed_at = CallState.POSTED, row.changed_at
    return True


def mark_accepted(
    session: Session, job_id: JobId, outputs: Sequence[Output]
) -> list[str]:
    """Gives each call its own outputs and no other; returns the calls that got any."""
    row = _locked(session, job_id, SharedJobStage.POSTED)
    if row is None:
        return []
    _move(session, row, SharedJobStage.ACCEPTED)
    row.content = None
    answered = []
    for call in open_calls_of(session, job_id):
        if call.state == CallState.POSTED and call.first_output is not None:
            last = call.first_output + call.prompt_count
            own = outputs[call.first_output : last]
            call.outputs = tuple(own)
            call.new_tokens = sum(len(output.ids) for output in own)
            call.state, call.changed_at = CallState.ACCEPTED, row.changed_at
            answered.append(call.call_id)
    return answered


def mark_settled(session: Session, job_id: JobId, bill: Bill) -> bool:
    """Charges each call its share, and gives back the rest of what it reserved.

    Returns:
        Whether that was news.
    """
    row = _locked(session, job_id, SharedJobStage.ACCEPTED, SharedJobStage.ABANDONED)
    if row is None:
        return False
    _move(session, row, SharedJobStage.SETTLED)
    row.content = None
    calls = [
        call
        for call in open_calls_of(session, job_id)
        if call.state == CallState.ACCEPTED
    ]
    shares = [
        Share(c.prompt_count, c.prompt_tokens + (c.new_tokens or 0), c.reserved)
        for c in calls
    ]
    charges = split_bill(bill, shares) if shares else []
    for call, charge in zip(calls, charges, strict=True):
        ledger.settle(session, call.key_id, call.reserved, charge)
        call.charge, call.state = charge, CallState.SETTLED
        call.changed_at = row.changed_at
    row.cost, row.absorbed = bill.cost, bill.cost - sum(charges)
    return True


def end_without_answer(
    session: Session,
    job_id: JobId,
    stage: SharedJobStage,
    fault: CallFault,
    *,
    cost: int | None,
) -> list[str]:
    """Gives all calls of a job their money back; the gateway bears what it cost.

    Args:
        session: A writing session.
        job_id: The job.
        stage: Where that leaves it: failed, abandoned or forgotten.
        fault: What the callers are told.
        cost: Units that the job cost; None while that is unknown.

    Returns:
        The calls that were ended by it.
    """
    row = _locked(session, job_id, *LIVE_JOBS)
    if row is None or row.stage == stage:
        return []
    _move(session, row, stage)
    row.cost, row.absorbed = cost, cost
    if stage is not SharedJobStage.ABANDONED:
        row.content = None
    ended = []
    for call in open_calls_of(session, job_id):
        state = CallState(call.state)
        if state is CallState.RESERVED:
            refuse(session, call, CallState.RELEASED, fault)
        elif state in (CallState.POSTED, CallState.ACCEPTED):
            refuse(session, call, CallState.REFUNDED, fault)
        else:
            continue
        ended.append(call.call_id)
    return ended


def forget(session: Session, job_id: JobId) -> None:
    """Closes an abandoned job that never appeared on chain."""
    row = _locked(session, job_id, SharedJobStage.ABANDONED)
    if row is not None:
        _move(session, row, SharedJobStage.FORGOTTEN)
        row.content, row.cost, row.absorbed = None, 0, 0


def _locked(
    session: Session, job_id: JobId, *stages: SharedJobStage
) -> GatewayJobRow | None:
    statement = select(GatewayJobRow).where(
        GatewayJobRow.job_id == job_id, GatewayJobRow.stage.in_(stages)
    )
    return session.scalars(statement.with_for_update()).one_or_none()


def _move(session: Session, row: GatewayJobRow, stage: SharedJobStage) -> None:
    row.stage, row.changed_at = stage, now(session)


def _is_waiting(row: CallRow) -> bool:
    return row.state == CallState.RESERVED and row.job_id is None
