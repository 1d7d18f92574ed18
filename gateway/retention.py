"""Prompts and answers are kept for a while and no longer.

What a call cost and which job it was part of stays; so do files, until their owner
deletes them.
"""

from __future__ import annotations

import logging
import threading

from sqlalchemy import or_, update
from sqlalchemy.orm import Session

from gateway.database.engine import Database
from gateway.jobs.calls import now
from gateway.jobs.tables import CallRow, CallState
from protocol.errors import MarketError

__all__ = ["Retention", "forget_texts"]

_log = logging.getLogger(__name__)

_PAUSE_SECONDS = 600.0
_HOUR = 3_600.0
_ENDED = (CallState.SETTLED, CallState.RELEASED, CallState.REFUNDED)


def forget_texts(session: Session, hours: float) -> int:
    """Empties the texts of calls that ended so many hours ago; returns how many."""
    before = now(session) - hours * _HOUR
    emptied = session.execute(
        update(CallRow)
        .where(
            CallRow.state.in_(_ENDED),
            CallRow.changed_at < before,
            or_(CallRow.body.is_not(None), CallRow.prompts.is_not(None)),
        )
        .values(body=None, prompts=None, outputs=None, idempotency_key=None)
        .returning(CallRow.call_id)
    )
    return len(emptied.all())


class Retention:
    """Empties old texts every few minutes, in a thread of its own."""

    def __init__(self, database: Database, *, hours: float) -> None:
        """Say how long texts are kept."""
        self._database = database
        self._hours = hours
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-retention")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                count = self._database.write(lambda s: forget_texts(s, self._hours))
                if count:
                    _log.info("texts forgotten", extra={"calls": count})
            except MarketError as error:
                _log.warning("texts not forgotten", extra={"reason": str(error)})
            self._stopping.wait(_PAUSE_SECONDS)
