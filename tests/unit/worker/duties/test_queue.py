from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from protocol.errors import StoreUnavailable
from protocol.market.types import JobParams, OutcomeStatus
from tests.support.machines.processes import eventually
from tests.support.market.values import a_job, a_model
from tests.unit.worker.duties.test_sending import duty_of
from worker.duties.queue import ComputeQueue, Finished
from worker.duty import Duty
from worker.metrics import WorkerMetrics
from worker.models.loading import ServedModel

SPEC = a_model()
PARAMS = a_job(model_id=SPEC.model_id())
FETCH_UNTIL = 50


@dataclass
class Prompts:
    """Gives bytes that are no document when it is let."""

    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[JobParams] = field(default_factory=list)
    error: StoreUnavailable | None = None

    def prepare(self, params: JobParams) -> None:
        pass

    def fetch(self, params: JobParams) -> bytes:
        self.asked.append(params)
        self.gate.wait(30)
        if self.error is not None:
            raise self.error
        return b"no document"

    def fetch_until(self, duty: Duty) -> int:
        return FETCH_UNTIL


@dataclass
class Guard:
    is_worth: bool = True

    def is_worth_it(self, *_: object) -> bool:
        return self.is_worth


@dataclass
class Bench:
    prompts: Prompts = field(default_factory=Prompts)
    guard: Guard = field(default_factory=Guard)
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)
    queue: ComputeQueue = field(init=False)

    def __post_init__(self) -> None:
        prompts: Any = self.prompts
        guard: Any = self.guard
        nothing: Any = None
        model = ServedModel(SPEC.model_id(), SPEC, nothing, nothing, 1.0)
        self.queue = ComputeQueue(
            {SPEC.model_id(): model}, prompts, guard, self.metrics, threads=1
        )

    def finished(self) -> list[Finished]:
        finished: list[Finished] = []

        def is_over() -> bool:
            finished.extend(self.queue.collect())
            return self.queue.count == 0

        self.prompts.gate.set()
        assert eventually(is_over)
        return finished


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.prompts.gate.set()
    bench.queue.close()


def test_submit_runs_the_most_urgent_first(bench: Bench) -> None:
    duties = [
        replace(duty_of(n), commit_deadline=d) for n, d in enumerate((10, 30, 20))
    ]
    for duty in duties:
        bench.queue.submit(duty, PARAMS, 0)
    ended = [one.duty.commit_deadline for one in bench.finished()]
    assert ended == [10, 20, 30]


def test_submit_twice_computes_once_until_collected(bench: Bench) -> None:
    for _ in range(2):
        bench.queue.submit(duty_of(1), PARAMS, 0)
    (one,) = bench.finished()
    assert one.computed.outcome.status is OutcomeStatus.INPUT_INVALID
    assert bench.queue.collect() == []
    bench.queue.submit(duty_of(1), PARAMS, 0)
    bench.finished()
    assert len(bench.prompts.asked) == 2


def test_submit_without_prompts_fails_until_the_time_to_fetch_is_over(
    bench: Bench,
) -> None:
    bench.prompts.error = StoreUnavailable("not there")
    bench.queue.submit(duty_of(1), PARAMS, FETCH_UNTIL - 1)
    assert bench.finished() == []
    assert b'steps_failed_total{step="compute"} 1.0' in bench.metrics.exposition()
    # A failure is not repeated at once.
    bench.queue.submit(duty_of(1), PARAMS, FETCH_UNTIL - 1)
    assert len(bench.prompts.asked) == 1

    bench.queue.submit(duty_of(2), PARAMS, FETCH_UNTIL)
    (one,) = bench.finished()
    assert one.computed.outcome.status is OutcomeStatus.INPUT_UNAVAILABLE
    assert one.computed.reason == "not there"


def test_submit_of_a_job_not_worth_its_gas_declines_it_once(bench: Bench) -> None:
    bench.guard.is_worth = False
    for _ in range(2):
        bench.queue.submit(duty_of(1), PARAMS, 0)
    assert bench.finished() == [] and bench.prompts.asked == []
    assert b'declined_total{reason="gas"} 1.0' in bench.metrics.exposition()
