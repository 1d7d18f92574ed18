"""Calls in the database: reserved with their money, released, found again.

Every change of a call's state is made together with the money that it means, on the
condition that the call is still where it was; so each happens once, whichever replica
or restart comes to it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, literal, select
from sqlalchemy.orm import Session

from gateway.accounts import ledger
from gateway.accounts.rate_limits import take_call
from gateway.database.clock import DatabaseNow
from gateway.database.leases import Lease
from gateway.errors import IdempotencyConflict
from gateway.jobs.states import CallState
from gateway.jobs.tables import CallRow
from gateway.jobs.terms import Ask, prompts_to_json

__all__ = [
    "CallFault",
    "NewCall",
    "adopt_orphans",
    "earlier_call",
    "find_call",
    "now",
    "open_calls_of",
    "refuse",
    "release_waiting",
    "replica_lease",
    "reserve_call",
    "waiting_calls",
]

_REPLICA = "replica:"
# HTTP: unavailable.
_PASSING = 503


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call that is about to be reserved.

    Attributes:
        call_id: Its id.
        key_id: The API key.
        endpoint: Path, such as `/v1/completions`.
        body: The call as JSON.
        body_hash: SHA-256 of what came, hexadecimal.
        idempotency_key: The caller's, if it gave one.
    """

    call_id: str
    key_id: str
    endpoint: str
    body: str
    body_hash: str
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class CallFault:
    """Why a call has no answer.

    Attributes:
        status: HTTP status.
        message: For the caller.
    """

    status: int
    message: str


def now(session: Session) -> float:
    """Unix time by the database's clock."""
    return float(session.scalars(select(DatabaseNow())).one())


def replica_lease(replica: str) -> str:
    """Name of the lease by which a replica shows that it lives."""
    return _REPLICA + replica


def earlier_call(
    session: Session, key_id: str, idempotency_key: str, body_hash: str
) -> CallRow | None:
    """The call that was made with this idempotency key before, if any.

    Raises:
        IdempotencyConflict: It was another call.
    """
    statement = select(CallRow).where(
        CallRow.key_id == key_id, CallRow.idempotency_key == idempotency_key
    )
    row = session.scalars(statement).one_or_none()
    if row is not None and row.body_hash != body_hash:
        raise IdempotencyConflict(
            "this Idempotency-Key was used for another call; take a new one",
            param="Idempotency-Key",
            code="idempotency_conflict",
        )
    return row


def reserve_call(session: Session, call: NewCall, ask: Ask, replica: str) -> str:
    """Sets the call's money aside and writes the call down, both or neither.

    Returns:
        The call's id; an earlier one's if its idempotency key names it.

    Raises:
        RateLimited: The key has to wait.
        BudgetExceeded: The key's budget does not hold it.
        ApiKeyRefused: The key was revoked.
        IdempotencyConflict: The idempotency key names another call.
    """
    if session.get(CallRow, call.call_id) is not None:
        return call.call_id
    if call.idempotency_key is not None:
        row = earlier_call(session, call.key_id, call.idempotency_key, call.body_hash)
        if row is not None:
            return row.call_id
    take_call(session, call.key_id)
    ledger.reserve(session, call.key_id, ask.max_cost)
    moment = now(session)
    session.add(
        CallRow(
            call_id=call.call_id,
            key_id=call.key_id,
            state=CallState.RESERVED,
            replica=replica,
            endpoint=call.endpoint,
            body=call.body,
            prompts=prompts_to_json(ask.prompts),
            terms=str(ask.terms),
            prompt_count=len(ask.prompts),
            max_tokens=ask.max_tokens,
            prompt_tokens=ask.prompt_tokens,
            reserved=ask.max_cost,
            idempotency_key=call.idempotency_key,
            body_hash=call.body_hash,
            created_at=moment,
            changed_at=moment,
        )
    )
    return call.call_id


def find_call(session: Session, call_id: str) -> CallRow | None:
    """A call by its id."""
    return session.get(CallRow, call_id)


def waiting_calls(session: Session, replica: str) -> Sequence[CallRow]:
    """Calls of a replica that are part of no job yet, oldest first."""
    statement = _waiting().where(CallRow.replica == replica)
    order = (CallRow.created_at, CallRow.line, CallRow.call_id)
    return session.scalars(statement.order_by(*order)).all()


def release_waiting(session: Session, call_id: str, fault: CallFault) -> bool:
    """Takes a call back that is part of no job yet. Returns whether it was so."""
    statement = _waiting().where(CallRow.call_id == call_id).with_for_update()
    row = session.scalars(statement).one_or_none()
    if row is None:
        return False
    refuse(session, row, CallState.RELEASED, fault)
    return True


def refuse(session: Session, row: CallRow, state: CallState, fault: CallFault) -> None:
    """Ends a locked call without an answer and without a charge.

    A line of a batch that met nothing worse than a passing fault waits for another try.
    """
    ledger.release(session, row.key_id, row.reserved)
    if row.batch_id is not None and fault.status == _PASSING:
        row.state, row.reserved = CallState.QUEUED, 0
        row.job_id = row.first_output = None
        row.changed_at = now(session)
        return
    row.state, row.charge = state, 0
    row.status, row.fault = fault.status, fault.message
    # The same call may be made again.
    row.idempotency_key = None
    row.changed_at = now(session)


def open_calls_of(session: Session, job_id: bytes) -> Sequence[CallRow]:
    """The calls of a job, locked, in the order of their outputs."""
    statement = (
        select(CallRow)
        .where(CallRow.job_id == job_id)
        .order_by(CallRow.first_output)
        .with_for_update()
    )
    return session.scalars(statement).all()


def adopt_orphans(session: Session, replica: str, fault: CallFault) -> int:
    """Ends what callers of dead replicas left waiting; takes over lines of batches.

    Returns:
        How many calls it was.
    """
    is_alive = and_(
        Lease.name == literal(_REPLICA) + CallRow.replica,
        Lease.expires_at > DatabaseNow(),
    )
    statement = _waiting().where(
        CallRow.replica != replica, ~select(Lease.name).where(is_alive).exists()
    )
    rows = session.scalars(statement.with_for_update(skip_locked=True)).all()
    for row in rows:
        if row.batch_id is None:
            refuse(session, row, CallState.RELEASED, fault)
        else:
            row.replica = replica
    return len(rows)


def _waiting() -> Select[CallRow]:
    return select(CallRow).where(
        CallRow.state == CallState.RESERVED, CallRow.job_id.is_(None)
    )
