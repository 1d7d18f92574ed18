"""Duties that wait for their outcome: prompts are fetched and computed on threads.

Most of the time a thread waits: for IPFS, or for an engine that computes the requests
of all threads together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from protocol.errors import StoreError
from protocol.hexadecimal import to_hex
from protocol.host.backoff import Pauses
from protocol.host.crash_points import crash_point
from protocol.market.types import (
    JobParams,
    ModelId,
    ModelSpec,
    Outcome,
    OutcomeStatus,
)
from worker.duties.computation import Computed, compute
from worker.duties.prompts import PromptSource
from worker.duty import Duty, DutyKey, Step
from worker.gas_policy import GasGuard
from worker.metrics import WorkerMetrics
from worker.models.loading import ServedModel
from worker.process.background import TaskPool

__all__ = ["ComputeQueue", "Finished"]

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A duty that was computed.

    Attributes:
        duty: As it was submitted.
        computed: Its outcome.
        seconds: What that took, prompts included.
    """

    duty: Duty
    computed: Computed
    seconds: float


class ComputeQueue:
    """Computes duties, the most urgent first. For one thread."""

    def __init__(
        self,
        models: Mapping[ModelId, ServedModel],
        prompts: PromptSource,
        guard: GasGuard,
        metrics: WorkerMetrics,
        *,
        threads: int,
    ) -> None:
        """Start the threads that compute.

        Args:
            models: The models served.
            prompts: Where prompts are fetched.
            guard: Says which jobs are not worth their gas.
            metrics: Told of what happens.
            threads: Most duties at a time.
        """
        self._models = models
        self._prompts = prompts
        self._guard = guard
        self._metrics = metrics
        self._background = TaskPool("compute", threads=threads)
        self._finished: list[Finished] = []
        self._declined: set[DutyKey] = set()
        self._pauses = Pauses(
            first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )

    @property
    def count(self) -> int:
        """Duties that were submitted and not collected."""
        return self._background.count

    @property
    def has_finished(self) -> bool:
        """Whether there is something to collect. Safe from any thread."""
        return self._background.has_ended

    def has_model(self, model_id: ModelId) -> bool:
        """Whether a model is served."""
        return model_id in self._models

    def submit(self, duty: Duty, params: JobParams, now: int) -> None:
        """Have a duty computed, unless it is, or is not worth its gas.

        One that failed is taken again after a pause, which doubles with each failure.

        Args:
            duty: One without an outcome.
            params: Its job, of a model that is served.
            now: Time of the latest block, Unix seconds.
        """
        if self._background.is_running(duty.key):
            return
        model = self._models[params.model_id]
        if self._declines(duty, params, model.spec):
            return
        self._prompts.prepare(params)
        if self._pauses.is_paused(duty.key):
            return

        def work() -> Finished:
            started = time.monotonic()
            computed = self._compute(duty, params, model, now)
            return Finished(duty, computed, time.monotonic() - started)

        self._background.start(
            duty.key,
            work,
            done=self._succeed,
            failed=lambda error: self._fail(duty, error),
            deadline=duty.commit_deadline,
        )

    def keep(self, live: Collection[DutyKey]) -> None:
        """Forget what was declined of all other duties."""
        self._declined.intersection_update(live)

    def collect(self) -> list[Finished]:
        """Take what was computed since the last call."""
        self._background.collect()
        finished, self._finished = self._finished, []
        return finished

    def report(self, finished: Finished) -> None:
        """Count and log an outcome that is safe in the journal."""
        outcome = finished.computed.outcome
        self._metrics.duty_computed(outcome.token_count, finished.seconds)
        _log(
            "computed",
            finished.duty,
            status=outcome.status.name.lower(),
            tokens=outcome.token_count,
            seconds=round(finished.seconds, 3),
            reason=finished.computed.reason,
        )

    def show_load(self) -> None:
        """Tell the metrics how many duties wait and how many are being computed."""
        waiting = self._background.waiting
        self._metrics.set_queue(waiting, self.count - waiting)

    def close(self) -> None:
        """Let the threads end; waits for none."""
        self._background.close()

    def _declines(self, duty: Duty, params: JobParams, spec: ModelSpec) -> bool:
        if self._guard.is_worth_it(params, spec):
            self._declined.discard(duty.key)
            return False
        if duty.key not in self._declined:
            self._declined.add(duty.key)
            self._metrics.declined("gas")
            _log("declined", duty, reason="gas costs more than pay and penalty")
        return True

    def _compute(
        self, duty: Duty, params: JobParams, model: ServedModel, now: int
    ) -> Computed:
        crash_point("compute.starting")
        try:
            prompts = self._prompts.fetch(params)
        except StoreError as error:
            if now < self._prompts.fetch_until(duty):
                raise
            # Bytes that cannot be had, or do not match, prove nothing about the
            # requester: unavailable, never invalid.
            outcome = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)
            return Computed(outcome, reason=str(error))
        computed = compute(
            prompts, params, model.spec, engine=model.engine, codec=model.codec
        )
        crash_point("compute.done")
        return computed

    def _succeed(self, finished: Finished) -> None:
        self._pauses.clear(finished.duty.key)
        self._finished.append(finished)

    def _fail(self, duty: Duty, error: Exception) -> None:
        self._pauses.fail(duty.key)
        self._metrics.step_failed(Step.COMPUTE.value)
        _log("computation failed", duty, reason=str(error))


def _log(event: str, duty: Duty, **facts: object) -> None:
    logger.info(event, extra={"job_id": to_hex(duty.job_id), **facts})
