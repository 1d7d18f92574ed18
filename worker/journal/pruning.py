"""Deleting what ended long ago: pins of results, and rows of the journal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from protocol.host.crash_points import crash_point
from protocol.store.port import ContentStore
from worker.journal.journal import ExpiredJob, Journal
from worker.process.background import TaskPool

__all__ = ["Pruning"]

logger = logging.getLogger(__name__)

_KEY = "pruning"
_DAY_SECONDS = 86_400
_MAX_AT_ONCE = 100
_INTERVAL_SECONDS = 60.0


class Pruning:
    """Deletes at intervals, or without pause while there is more to delete."""

    def __init__(
        self,
        journal: Journal,
        store: ContentStore,
        background: TaskPool,
        *,
        keep_days: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Describe what to keep.

        Args:
            journal: Where jobs are noted.
            store: Where results are pinned.
            background: Where pins are removed.
            keep_days: How long after its end a job is kept.
            clock: Unix seconds.
        """
        self._journal = journal
        self._store = store
        self._background = background
        self._keep_seconds = keep_days * _DAY_SECONDS
        self._clock = clock
        self._next_time = 0.0

    def prune(self) -> None:
        """Begin to delete what is old enough, if it is time. Raises JournalError."""
        now = self._clock()
        if now < self._next_time or self._background.is_running(_KEY):
            return
        self._next_time = now + _INTERVAL_SECONDS
        before = int(now) - self._keep_seconds
        jobs = self._journal.expired_jobs(before, limit=_MAX_AT_ONCE)
        if jobs:
            self._background.start(
                _KEY,
                lambda: self._unpin(jobs),
                done=lambda _: self._forget(jobs),
                failed=self._note,
            )

    def _unpin(self, jobs: list[ExpiredJob]) -> None:
        for job in jobs:
            for digest in job.digests:
                crash_point("results.unpinning")
                self._store.unpin(digest)
                crash_point("results.unpinned")

    def _forget(self, jobs: list[ExpiredJob]) -> None:
        crash_point("jobs.deleting")
        with self._journal.transaction():
            self._journal.delete_jobs([job.job_id for job in jobs])
        crash_point("jobs.deleted")
        self._next_time = 0.0
        logger.info("old jobs forgotten", extra={"count": len(jobs)})

    def _note(self, error: Exception) -> None:
        logger.warning("old results kept", extra={"reason": str(error)})
