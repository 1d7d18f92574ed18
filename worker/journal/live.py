"""What of the journal is live, in memory: looked through at every tick.

The journal is written first; then the jobs written about are read from it again. So
both say the same, and after a crash the journal is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from protocol.market.types import JobId, JobParams
from worker.duty import Duty, DutyKey
from worker.journal.journal import Journal

__all__ = ["LiveJobs"]

_Value = TypeVar("_Value")


class LiveJobs:
    """Live duties, open jobs and callbacks that wait. For one thread."""

    def __init__(self, journal: Journal) -> None:
        """Read what the journal has."""
        self._journal = journal
        self._duties: dict[JobId, list[Duty]] = {}
        self._open: dict[JobId, JobParams] = {}
        self._undelivered: dict[JobId, JobParams] = {}
        self._read_all()

    @property
    def journal(self) -> Journal:
        """The journal; use `transaction` to write about live jobs."""
        return self._journal

    def duties(self) -> list[Duty]:
        """Duties that may need work, the most urgent first."""
        duties = [duty for of_job in self._duties.values() for duty in of_job]
        return sorted(duties, key=lambda duty: duty.commit_deadline)

    def duty(self, key: DutyKey) -> Duty | None:
        """One duty as it stands; None if it is over."""
        of_job = self._duties.get(key.job_id, [])
        return next((duty for duty in of_job if duty.key == key), None)

    def params_of(self, job_id: JobId) -> JobParams | None:
        """Parameters of an open job, if its posting was seen."""
        return self._open.get(job_id)

    def open_jobs(self) -> Collection[tuple[JobId, JobParams]]:
        """Jobs that have not ended, in the order they were posted."""
        return self._open.items()

    def undelivered_jobs(self) -> Collection[tuple[JobId, JobParams]]:
        """Settled jobs whose callback waits, in the order they ended."""
        return self._undelivered.items()

    @contextmanager
    def transaction(self, job_ids: Iterable[JobId] | None) -> Iterator[Journal]:
        """The journal to write to: all of what is written inside, or nothing.

        Args:
            job_ids: Jobs that are written about; None for any.
        """
        try:
            with self._journal.transaction():
                yield self._journal
            self._read_again(job_ids)
        except BaseException:
            self._read_all()
            raise

    def _read_again(self, job_ids: Iterable[JobId] | None) -> None:
        if job_ids is None:
            self._read_all()
            return
        for job_id in dict.fromkeys(job_ids):
            self._read(job_id)

    def _read_all(self) -> None:
        self._open = dict(self._journal.open_jobs())
        self._undelivered = dict(self._journal.undelivered_jobs())
        self._duties = {}
        for duty in self._journal.live_duties():
            self._duties.setdefault(duty.job_id, []).append(duty)

    def _read(self, job_id: JobId) -> None:
        params = self._open.get(job_id) or self._undelivered.get(job_id)
        params = params or self._journal.params_of(job_id)
        is_open, is_undelivered = self._journal.standing_of(job_id)
        _put(self._open, job_id, params if is_open else None)
        _put(self._undelivered, job_id, params if is_undelivered else None)
        _put(self._duties, job_id, self._journal.live_duties_of(job_id) or None)


def _put(table: dict[JobId, _Value], job_id: JobId, value: _Value | None) -> None:
    if value is None:
        table.pop(job_id, None)
    else:
        table[job_id] = value
