"""What of the journal is live, in memory: looked through at every tick.

Everything is written to the journal first and kept here as it was written, so both
say the same, and after a crash the journal is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from protocol.market.types import JobId, JobParams, Outcome
from worker.duty import Duty, DutyKey
from worker.journal.journal import Journal

__all__ = ["Book"]


class Book:
    """Live duties, open jobs and callbacks that wait. For one thread."""

    def __init__(self, journal: Journal) -> None:
        """Read what the journal has."""
        self._journal = journal
        self._duties: dict[DutyKey, Duty] = {}
        self._params: dict[JobId, JobParams] = {}
        self._undelivered: dict[JobId, JobParams] = {}
        self._load()

    # Reading

    def duties(self) -> Collection[Duty]:
        """Duties that may need work, the most urgent first."""
        return sorted(self._duties.values(), key=lambda duty: duty.commit_deadline)

    def duty(self, key: DutyKey) -> Duty | None:
        """One duty as it stands; None if it is over."""
        return self._duties.get(key)

    def params_of(self, job_id: JobId) -> JobParams | None:
        """Parameters of an open job, if its posting was seen."""
        return self._params.get(job_id)

    def open_jobs(self) -> Collection[tuple[JobId, JobParams]]:
        """Jobs that have not ended, in the order they were posted."""
        return self._params.items()

    def undelivered_jobs(self) -> Collection[tuple[JobId, JobParams]]:
        """Settled jobs whose callback waits, in the order they ended."""
        return self._undelivered.items()

    # Writing

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing."""
        try:
            with self._journal.transaction():
                yield
        except BaseException:
            self._load()
            raise

    def record_job(self, job_id: JobId, params: JobParams, block_number: int) -> None:
        """Note a posted job."""
        self._journal.record_job(job_id, params, block_number)
        self._params[job_id] = params

    def record_duty(self, duty: Duty, block_number: int) -> None:
        """Note a place on a committee; an outcome computed before is kept."""
        self._journal.record_duty(duty, block_number)
        self._duties[duty.key] = self._journal.duty(duty.key)

    def close_job(self, job_id: JobId, block_number: int, *, now: int) -> None:
        """Note that a job ended; its duties are over.

        Args:
            job_id: The job.
            block_number: Block of its end.
            now: Unix seconds, from which its results are kept for a while.
        """
        self._journal.close_job(job_id, block_number, now=now)
        self._params.pop(job_id, None)
        for key in [key for key in self._duties if key.job_id == job_id]:
            del self._duties[key]

    def await_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job that ends waits for its callback, if it has one."""
        params = self._params.get(job_id) or self._journal.params_of(job_id)
        if params is not None and params.has_callback:
            self._journal.await_delivery(job_id, block_number)
            self._undelivered[job_id] = params

    def record_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job's callback was called."""
        self._journal.record_delivery(job_id, block_number)
        self._undelivered.pop(job_id, None)

    def rewind(self, block_number: int) -> None:
        """Undo what followed from events after a block; outcomes are kept."""
        self._journal.rewind(block_number)
        self._load()

    def save_outcome(self, duty: Duty, outcome: Outcome, results: bytes | None) -> None:
        """Keep what was computed. Must be called before the commitment is sent."""
        self._journal.save_outcome(duty, outcome, results)
        self._update(duty, outcome=outcome, results=results)

    def mark_published(self, duty: Duty) -> None:
        """Note that the results' bytes are on IPFS."""
        self._journal.mark_published(duty)
        self._update(duty, is_published=True)

    def finish_duty(self, duty: Duty) -> None:
        """Note that nothing is left to do."""
        self._journal.finish_duty(duty)
        self._duties.pop(duty.key, None)

    # Private

    def _update(self, duty: Duty, **changes: object) -> None:
        current = self._duties.get(duty.key)
        if current is not None:
            self._duties[duty.key] = replace(current, **changes)  # type: ignore[arg-type]

    def _load(self) -> None:
        self._duties = {duty.key: duty for duty in self._journal.live_duties()}
        self._params = dict(self._journal.open_jobs())
        self._undelivered = dict(self._journal.undelivered_jobs())
