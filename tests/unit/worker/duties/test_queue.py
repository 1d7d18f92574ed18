from __future__ import annotations

import threading
from dataclasses import replace

from protocol.market.types import JobId, Outcome, OutcomeStatus
from worker.duties.computation import Computed
from worker.duties.queue import ComputeQueue, Finished
from worker.duty import Duty

DUTY = Duty(
    job_id=JobId(bytes(32)),
    round_number=1,
    place=0,
    seat_id=1,
    drawn_at=0,
    commit_deadline=50,
)
DONE = Computed(Outcome.error(OutcomeStatus.INPUT_INVALID))


def wait_for(queue: ComputeQueue, count: int) -> list[Finished]:
    finished: list[Finished] = []
    waiting = threading.Event()
    for _ in range(1_000):
        finished += queue.collect()
        if len(finished) >= count:
            break
        waiting.wait(0.01)
    return finished


def test_submit_runs_the_most_urgent_first() -> None:
    queue = ComputeQueue()
    gate = threading.Event()
    order: list[int] = []

    def work(deadline: int) -> Computed:
        gate.wait(10)
        order.append(deadline)
        return DONE

    first = replace(DUTY, commit_deadline=10)
    late = replace(DUTY, commit_deadline=30, job_id=JobId(b"\1" * 32))
    soon = replace(DUTY, commit_deadline=20, job_id=JobId(b"\2" * 32))
    for duty in (first, late, soon):
        queue.submit(duty, lambda d=duty: work(d.commit_deadline))  # type: ignore[misc]
    gate.set()
    assert len(wait_for(queue, 3)) == 3
    assert order == [10, 20, 30]


def test_submit_twice_computes_once_until_collected() -> None:
    queue = ComputeQueue()
    gate = threading.Event()
    calls: list[int] = []

    def work() -> Computed:
        calls.append(1)
        gate.wait(10)
        return DONE

    queue.submit(DUTY, work)
    queue.submit(DUTY, work)
    gate.set()
    assert wait_for(queue, 1) == [Finished(DUTY, computed=DONE)]
    queue.submit(DUTY, work)
    assert wait_for(queue, 1) == [Finished(DUTY, computed=DONE)]
    assert len(calls) == 2


def test_submit_failing_work_hands_the_error_over() -> None:
    queue = ComputeQueue()
    error = ValueError("no")

    def work() -> Computed:
        raise error

    queue.submit(DUTY, work)
    assert wait_for(queue, 1) == [Finished(DUTY, error=error)]
