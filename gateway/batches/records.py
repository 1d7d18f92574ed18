"""Batches in the database."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from gateway.batches.files import FilePage, find_file
from gateway.batches.schemas import (
    BatchCall,
    BatchFaults,
    BatchObject,
    RequestCounts,
)
from gateway.batches.tables import BatchRow
from gateway.errors import CallRefused, NothingFound
from gateway.jobs.calls import now
from gateway.jobs.tables import CallRow, CallState

__all__ = [
    "cancel_batch",
    "create_batch",
    "describe_batch",
    "find_batch",
    "list_batches",
    "states_of",
]

_WINDOW_SECONDS = 24 * 3_600
_ID_BYTES = 12


def create_batch(session: Session, key_id: str, call: BatchCall) -> BatchRow:
    """Writes a batch down; its file is read later.

    Raises:
        NothingFound: There is no such file.
        CallRefused: The file is for something else.
    """
    file = find_file(session, key_id, call.input_file_id)
    if file.purpose != "batch":
        raise CallRefused(
            f"the file {file.file_id} has the purpose {file.purpose!r}; upload the "
            "calls with the purpose 'batch'",
            param="input_file_id",
            code="invalid_file",
        )
    moment = now(session)
    row = BatchRow(
        batch_id="batch_" + secrets.token_hex(_ID_BYTES),
        key_id=key_id,
        status="validating",
        endpoint=call.endpoint,
        input_file_id=call.input_file_id,
        notes=call.metadata,
        completion_window=call.completion_window,
        line_count=0,
        created_at=int(moment),
        expires_at=moment + _WINDOW_SECONDS,
    )
    session.add(row)
    session.flush()
    return row


def find_batch(session: Session, key_id: str, batch_id: str) -> BatchRow:
    """A batch of a key's. Raises NothingFound."""
    row = session.get(BatchRow, batch_id)
    if row is None or row.key_id != key_id:
        raise NothingFound(f"there is no batch {batch_id[:64]!r}", param="batch_id")
    return row


def cancel_batch(session: Session, key_id: str, batch_id: str) -> BatchRow:
    """Asks a batch to end; what is part of a job already goes on.

    Raises:
        NothingFound: There is no such batch.
        CallRefused: It has ended.
    """
    row = find_batch(session, key_id, batch_id)
    if row.status not in ("validating", "in_progress", "cancelling"):
        raise CallRefused(
            f"the batch is {row.status}; only one that has not ended can be cancelled",
            param="batch_id",
            code="invalid_state",
        )
    if row.status != "cancelling":
        row.status, row.cancelling_at = "cancelling", int(now(session))
    return row


def list_batches(
    session: Session, key_id: str, page: FilePage
) -> tuple[Sequence[BatchRow], bool]:
    """Batches of a key, newest first, and whether there are more."""
    statement = select(BatchRow).where(BatchRow.key_id == key_id)
    if page.after is not None:
        last = find_batch(session, key_id, page.after)
        place = tuple_(BatchRow.created_at, BatchRow.batch_id)
        statement = statement.where(place < (last.created_at, last.batch_id))
    order = (BatchRow.created_at.desc(), BatchRow.batch_id.desc())
    rows = session.scalars(statement.order_by(*order).limit(page.limit + 1)).all()
    return rows[: page.limit], len(rows) > page.limit


def states_of(session: Session, batch_id: str) -> Mapping[CallState, int]:
    """How many calls of a batch are in which state."""
    statement = (
        select(CallRow.state, func.count())
        .where(CallRow.batch_id == batch_id)
        .group_by(CallRow.state)
    )
    return {CallState(state): count for state, count in session.execute(statement)}


def describe_batch(session: Session, row: BatchRow) -> BatchObject:
    """A batch as callers see it."""
    states = states_of(session, row.batch_id)
    faults = None if row.errors is None else BatchFaults(data=list(row.errors))
    columns = BatchRow.__table__.columns
    same = [name for name in BatchObject.model_fields if name in columns]
    counts = RequestCounts(
        total=row.line_count,
        completed=sum(n for s, n in states.items() if s.has_answer),
        failed=sum(n for s, n in states.items() if s.is_refused),
    )
    return BatchObject.model_validate(
        {
            **{name: getattr(row, name) for name in same},
            "id": row.batch_id,
            "errors": faults,
            "expires_at": int(row.expires_at),
            "request_counts": counts,
            "metadata": row.notes,
        }
    )
