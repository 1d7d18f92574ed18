"""Calls in the database: reserved with their money, released, found again.

Every change of a call's state is made together with the money that it means, on the
condition that the call is still where it was; so each happens once, whichever replica
or restart comes to it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, and_, literal, select
from sqlalchemy.orm import Session, undefer_group

from gateway.accounts import ledger
from gateway.accounts.rate_limits import take_call
from gateway.database.clock import DatabaseNow
from gateway.database.leases import Lease
from gateway.errors import IdempotencyConflict
from gateway.jobs.sharing import Waiting
from gateway.jobs.tables import CallFault, CallRow, CallState
from gateway.jobs.terms import Ask
from protocol.documents.prompts import Prompt

__all__ = [
    "NewCall",
    "adopt_orphans",
    "earlier_call",
    "find_call",
    "note_ask",
    "now",
    "open_calls_of",
    "prompts_of",
    "refuse",
    "release_callers",
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
        body_hash: SHA-256 of what came, hexadecimal.
        idempotency_key: The caller's, if it gave one.
    """

    call_id: str
    key_id: str
    endpoint: str
    body_hash: str
    idempotency_key: str | None = None


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
    row = CallRow(
        call_id=call.call_id,
        key_id=call.key_id,
        state=CallState.RESERVED,
        replica=replica,
        endpoint=call.endpoint,
        idempotency_key=call.idempotency_key,
        body_hash=call.body_hash,
        created_at=moment,
        changed_at=moment,
    )
    note_ask(row, ask)
    session.add(row)
    return call.call_id


def note_ask(row: CallRow, ask: Ask) -> None:
    """Writes down what a call asks for."""
    row.terms, row.prompts, row.form = ask.terms, ask.prompts, ask.form
    row.prompt_count, row.prompt_tokens = len(ask.prompts), ask.prompt_tokens
    row.max_tokens, row.reserved = ask.max_tokens, ask.max_cost


def find_call(
    session: Session, call_id: str, *, with_texts: bool = False
) -> CallRow | None:
    """A call by its id; its prompts and outputs only if they are asked for."""
    options = [undefer_group("texts")] if with_texts else []
    return session.get(CallRow, call_id, options=options, populate_existing=True)


def waiting_calls(session: Session, replica: str) -> list[Waiting]:
    """Calls of a replica that are part of no job yet, oldest first."""
    statement = _waiting().where(CallRow.replica == replica)
    order = (CallRow.created_at, CallRow.line, CallRow.call_id)
    return [
        Waiting(
            row.call_id, row.terms, row.prompt_count, row.max_tokens, row.created_at
        )
        for row in session.scalars(statement.order_by(*order))
        if row.terms is not None
    ]


def prompts_of(session: Session, call_ids: Sequence[str]) -> list[Prompt]:
    """The prompts of calls, in the order of the calls."""
    columns = select(CallRow.call_id, CallRow.prompts)
    rows = session.execute(columns.where(CallRow.call_id.in_(call_ids)))
    found = {row.call_id: row.prompts or () for row in rows}
    return [one for call_id in call_ids for one in found.get(call_id, ())]


def release_waiting(session: Session, call_id: str, fault: CallFault) -> bool:
    """Takes a call back that is part of no job yet. Returns whether it was so."""
    statement = _waiting().where(CallRow.call_id == call_id).with_for_update()
    row = session.scalars(statement).one_or_none()
    if row is None:
        return False
    refuse(session, row, CallState.RELEASED, fault)
    return True


def release_callers(session: Session, replica: str, fault: CallFault) -> None:
    """Takes back what a replica's own callers wait for; lines of batches stay."""
    own = _waiting().where(CallRow.replica == replica, CallRow.batch_id.is_(None))
    for row in session.scalars(own.with_for_update()).all():
        refuse(session, row, CallState.RELEASED, fault)


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
    row.state, row.charge, row.fault = state, 0, fault
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
