"""Duties, one step after the other: compute, commit, publish, reveal."""

from __future__ import annotations

import logging

from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point
from protocol.market.types import JobParams
from worker.duties.publishing import Publishing
from worker.duties.queue import ComputeQueue
from worker.duties.submission import Submission
from worker.duty import Duty, DutyKey, Step, next_step
from worker.journal.live import LiveJobs
from worker.rounds.following import Rounds

__all__ = ["Serving"]

logger = logging.getLogger(__name__)


class Serving:
    """Serves the live duties. For the loop's thread."""

    def __init__(
        self,
        jobs: LiveJobs,
        rounds: Rounds,
        queue: ComputeQueue,
        submission: Submission,
        publishing: Publishing,
    ) -> None:
        """No step is taken before `advance`.

        Args:
            jobs: The duties, and where their outcomes are kept.
            rounds: How their jobs stand on the chain.
            queue: Where outcomes are computed.
            submission: Where they are committed to and revealed.
            publishing: Where results are published.
        """
        self._jobs = jobs
        self._rounds = rounds
        self._queue = queue
        self._submission = submission
        self._publishing = publishing
        # Duties whose next step may be another one since the last call.
        self._changed: set[DutyKey] = set()

    def keep_finished(self) -> None:
        """Write down what was computed and published since the last call.

        Raises:
            JournalError: It cannot be kept, and will be done again.
        """
        self._keep_published()
        finished = self._queue.collect()
        if not finished:
            return
        # All at once: each transaction waits for the disk.
        crash_point("outcome.saving")
        with self._jobs.transaction(one.duty.job_id for one in finished) as journal:
            for one in finished:
                computed = one.computed
                journal.save_outcome(one.duty, computed.outcome, computed.results)
        crash_point("outcome.saved")
        for one in finished:
            self._changed.add(one.duty.key)
            self._queue.report(one)

    def advance(self, now: int) -> None:
        """Take the next step of every duty.

        Args:
            now: Time of the latest block, Unix seconds.

        Raises:
            RpcUnavailable: The node fails.
        """
        steps = {duty.key: self._serve(duty, now) for duty in self._jobs.duties()}
        self._changed.clear()
        self._queue.keep(steps)
        self._queue.show_load()
        self._submission.keep(steps)
        self._flush()

    def advance_changed(self, now: int) -> None:
        """The same for duties computed or published since the last call."""
        duties = [self._jobs.duty(key) for key in self._changed]
        self._changed.clear()
        for duty in duties:
            if duty is not None:
                self._serve(duty, now)
        self._flush()

    def _flush(self) -> None:
        self._submission.flush()
        self._publishing.flush()

    def _serve(self, duty: Duty, now: int) -> Step:
        params = self._jobs.params_of(duty.job_id)
        if params is None or not self._queue.has_model(params.model_id):
            return Step.WAIT
        step = next_step(duty, self._rounds.of(duty.job_id, now), now)
        self._take_step(step, duty, params, now)
        return step

    def _take_step(self, step: Step, duty: Duty, params: JobParams, now: int) -> None:
        if step is Step.COMPUTE:
            self._queue.submit(duty, params, now)
        elif step is Step.COMMIT:
            self._submission.offer_commit(duty)
        elif step is Step.PUBLISH:
            self._publishing.offer(duty)
        elif step is Step.REVEAL:
            self._submission.offer_reveal(duty, params)
        elif step is Step.FINISH:
            crash_point("duty.finishing")
            with self._jobs.transaction([duty.job_id]) as journal:
                journal.finish_duty(duty)
            crash_point("duty.finished")

    def _keep_published(self) -> None:
        published = self._publishing.collect()
        if not published:
            return
        crash_point("publish.saving")
        with self._jobs.transaction(duty.job_id for duty, _ in published) as journal:
            for duty, _ in published:
                journal.mark_published(duty)
        crash_point("publish.saved")
        for duty, digest in published:
            self._changed.add(duty.key)
            facts = {"job_id": to_hex(duty.job_id), "results_digest": digest.hex()}
            logger.info("published", extra=facts)
