"""Moves batches on: reads their files, lets their calls in, writes their outputs.

One replica does it at a time, by a lease; what it does is written down step by step,
so another can go on anywhere. The calls of a batch become jobs like everybody's: a
batch is many calls that come at once and share whatever jobs they fill.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, undefer_group

from gateway.accounts import ledger
from gateway.batches.files import add_file
from gateway.batches.lines import InputLine, output_line, read_lines, to_jsonl
from gateway.batches.records import states_of
from gateway.batches.tables import BatchRow, FileRow
from gateway.completions.admission import Admission
from gateway.completions.answers import Answers
from gateway.completions.parsing import CALLS, parse_body
from gateway.database.engine import Database
from gateway.database.leases import acquire, release
from gateway.envelope import answer_of
from gateway.errors import CallRefused, GatewayError
from gateway.jobs.calls import note_ask, now, refuse, release_waiting
from gateway.jobs.tables import CallFault, CallRow, CallState
from gateway.jobs.terms import Ask

__all__ = ["BatchFeed"]

_log = logging.getLogger(__name__)

_LEASE = "batches"
_PAUSE_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_AT_ONCE = 64
_BAD_REQUEST = 400
_OK = 200
_CANCELLED = CallFault(409, "the batch was cancelled before this call was run")
_EXPIRED = CallFault(408, "the batch's time was over before this call was run")
_UNENDED = {CallState.QUEUED, CallState.RESERVED, CallState.POSTED}
_ACTIVE = ("validating", "in_progress", "finalizing", "cancelling")


class BatchFeed:
    """Moves all batches on, whenever it is called."""

    def __init__(
        self,
        database: Database,
        admission: Admission,
        answers: Answers,
        *,
        replica: str,
        lease_seconds: float,
        max_open: int,
    ) -> None:
        """Join the parts.

        Args:
            database: Batches, files and calls.
            admission: Checks and prices.
            answers: Makes answers.
            replica: This replica's name.
            lease_seconds: After how long of silence another replica takes over.
            max_open: Most calls of a batch that hold a reservation at a time.
        """
        self._database = database
        self._admission = admission
        self._answers = answers
        self._replica = replica
        self._lease_seconds = lease_seconds
        self._max_open = max_open
        self._next = 0.0

    def __call__(self) -> None:
        """Do what is due, if this replica has the lease."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE_SECONDS
        with self._database.reading() as session:
            statement = select(BatchRow.batch_id).where(BatchRow.status.in_(_ACTIVE))
            active = session.scalars(statement.order_by(BatchRow.created_at)).all()
        if not active:
            return
        is_ours = self._database.write(self._take_lease)
        if is_ours:
            for batch_id in active:
                self._move(batch_id)

    def notice(self) -> None:
        """Look at once: there is a new batch, or one was cancelled."""
        self._next = 0.0

    def leave(self, session: Session) -> None:
        """Let another replica take over."""
        release(session, _LEASE, self._replica)

    def _take_lease(self, session: Session) -> bool:
        return acquire(session, _LEASE, self._replica, self._lease_seconds)

    def _move(self, batch_id: str) -> None:
        with self._database.reading() as session:
            row = session.get(BatchRow, batch_id)
            status = None if row is None else row.status
        if status == "validating":
            self._database.write(lambda s: self._read_file(s, batch_id))
        if status in ("validating", "in_progress"):
            self._database.write(lambda s: self._expire(s, batch_id))
            self._let_in(batch_id)
        if status == "cancelling":
            self._database.write(lambda s: self._drop(s, batch_id, _CANCELLED))
        self._finish(batch_id)

    # ---------------------------------------------------------------- in

    def _read_file(self, session: Session, batch_id: str) -> None:
        batch = _locked(session, batch_id, "validating")
        if batch is None:
            return
        moment = now(session)
        file = session.get(FileRow, batch.input_file_id)
        content = b"" if file is None else file.content
        lines, faults = read_lines(content, batch.endpoint)
        if faults:
            batch.status, batch.failed_at = "failed", int(moment)
            batch.errors = tuple(faults)
            return
        session.add_all(_queued(batch, line, self._replica, moment) for line in lines)
        batch.line_count = len(lines)
        batch.status, batch.in_progress_at = "in_progress", int(moment)

    def _let_in(self, batch_id: str) -> None:
        with self._database.reading() as session:
            states = states_of(session, batch_id)
            held = states.get(CallState.RESERVED, 0) + states.get(CallState.POSTED, 0)
            room = min(_AT_ONCE, self._max_open - held)
            fresh = or_(
                CallRow.changed_at == CallRow.created_at,
                CallRow.changed_at <= now(session) - _RETRY_SECONDS,
            )
            statement = select(CallRow).where(
                CallRow.batch_id == batch_id,
                CallRow.state == CallState.QUEUED,
                fresh,
            )
            ordered = statement.order_by(CallRow.line).limit(max(0, room))
            ordered = ordered.options(undefer_group("texts"))
            rows = session.scalars(ordered).all()
            session.expunge_all()
        if rows:
            checked = [(row.call_id, self._check(row)) for row in rows]
            self._database.write(lambda s: self._reserve(s, checked))
            # There may be more.
            self._next = 0.0

    def _check(self, row: CallRow) -> Ask | CallFault:
        try:
            call = parse_body(CALLS[row.endpoint], row.body or "")
            if call.stream:
                raise CallRefused("a call of a batch cannot stream", param="stream")
            return self._admission.ask(call)
        except GatewayError as error:
            return _fault_of(error)

    def _reserve(
        self, session: Session, checked: Sequence[tuple[str, Ask | CallFault]]
    ) -> None:
        for call_id, result in checked:
            statement = select(CallRow).where(
                CallRow.call_id == call_id, CallRow.state == CallState.QUEUED
            )
            row = session.scalars(statement.with_for_update()).one_or_none()
            if row is None:
                continue
            if isinstance(result, Ask):
                result = self._set_aside(session, row, result) or result
            if isinstance(result, CallFault):
                refuse(session, row, CallState.RELEASED, result)

    def _set_aside(self, session: Session, row: CallRow, ask: Ask) -> CallFault | None:
        try:
            ledger.reserve(session, row.key_id, ask.max_cost)
        except GatewayError as error:
            return _fault_of(error)
        note_ask(row, ask)
        row.replica = self._replica
        row.state, row.changed_at = CallState.RESERVED, now(session)
        return None

    # ---------------------------------------------------------------- out

    def _expire(self, session: Session, batch_id: str) -> None:
        batch = session.get(BatchRow, batch_id)
        if batch is not None and batch.expires_at <= now(session):
            self._drop(session, batch_id, _EXPIRED)

    def _drop(self, session: Session, batch_id: str, fault: CallFault) -> None:
        """Ends the calls that are part of no job."""
        waiting = (CallState.QUEUED, CallState.RESERVED)
        statement = select(CallRow).where(
            CallRow.batch_id == batch_id, CallRow.state.in_(waiting)
        )
        for row in session.scalars(statement.with_for_update()).all():
            if row.state == CallState.QUEUED:
                refuse(session, row, CallState.RELEASED, fault)
            else:
                release_waiting(session, row.call_id, fault)

    def _finish(self, batch_id: str) -> None:
        """Writes the files of a batch whose calls have all ended."""
        with self._database.reading() as session:
            batch = session.get(BatchRow, batch_id)
            if batch is None or batch.status not in ("in_progress", "cancelling"):
                return
            if _UNENDED & set(states_of(session, batch_id)):
                return
            statement = select(CallRow).where(CallRow.batch_id == batch_id)
            ordered = statement.order_by(CallRow.line)
            rows = session.scalars(ordered.options(undefer_group("texts"))).all()
            session.expunge_all()
        outputs = [self._output(row) for row in rows if not _is_refused(row)]
        errors = [_error(row) for row in rows if _is_refused(row)]
        self._database.write(lambda s: _end(s, batch_id, outputs, errors))

    def _output(self, row: CallRow) -> dict[str, object]:
        body = self._answers.whole(row).model_dump(mode="json")
        return output_line(row.call_id, row.custom_id or "", _OK, body)


def _queued(batch: BatchRow, line: InputLine, replica: str, moment: float) -> CallRow:
    return CallRow(
        call_id=f"cmpl-{secrets.token_hex(12)}",
        key_id=batch.key_id,
        state=CallState.QUEUED,
        replica=replica,
        endpoint=batch.endpoint,
        body=line.body,
        prompt_count=0,
        max_tokens=0,
        prompt_tokens=0,
        reserved=0,
        body_hash="",
        batch_id=batch.batch_id,
        line=line.number,
        custom_id=line.custom_id,
        created_at=moment,
        changed_at=moment,
    )


def _end(
    session: Session,
    batch_id: str,
    outputs: Sequence[dict[str, object]],
    errors: Sequence[dict[str, object]],
) -> None:
    batch = _locked(session, batch_id, "in_progress", "cancelling")
    if batch is None:
        return
    moment = int(now(session))
    batch.finalizing_at = moment
    if outputs:
        name = f"{batch_id}_output.jsonl"
        content = to_jsonl(outputs)
        row = add_file(session, batch.key_id, "batch_output", name, content)
        batch.output_file_id = row.file_id
    if errors:
        name = f"{batch_id}_error.jsonl"
        content = to_jsonl(errors)
        row = add_file(session, batch.key_id, "batch_output", name, content)
        batch.error_file_id = row.file_id
    if batch.status == "cancelling":
        batch.status, batch.cancelled_at = "cancelled", moment
    elif batch.expires_at <= moment:
        batch.status, batch.expired_at = "expired", moment
    else:
        batch.status, batch.completed_at = "completed", moment
    _log.info("batch ended", extra={"batch_id": batch_id, "status": batch.status})


def _locked(session: Session, batch_id: str, *statuses: str) -> BatchRow | None:
    statement = select(BatchRow).where(
        BatchRow.batch_id == batch_id, BatchRow.status.in_(statuses)
    )
    return session.scalars(statement.with_for_update()).one_or_none()


def _is_refused(row: CallRow) -> bool:
    return CallState(row.state).is_refused


def _error(row: CallRow) -> dict[str, object]:
    fault = row.fault or CallFault(_BAD_REQUEST, "")
    body = {
        "error": {
            "message": fault.message,
            "type": fault.kind,
            "param": fault.param,
            "code": fault.code,
        }
    }
    return output_line(row.call_id, row.custom_id or "", fault.status, body)


def _fault_of(error: GatewayError) -> CallFault:
    answer = answer_of(error)
    status = error.http_status
    return CallFault(status, answer.message, answer.kind, answer.code, answer.param)
