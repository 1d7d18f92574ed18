from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from protocol.digests import Digest
from protocol.errors import StoreUnavailable
from protocol.market.types import JobId, Outcome, OutcomeStatus
from protocol.store.memory import MemoryStore
from protocol.store.unixfs import file_digest
from tests.support.machines.processes import eventually
from tests.unit.worker.duties.test_sending import DUTY
from worker.duties.publishing import Publishing
from worker.duty import Duty
from worker.metrics import WorkerMetrics
from worker.process.background import TaskPool


class SlowStore(MemoryStore):
    """Answers when it is let, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.gate = threading.Semaphore(0)
        self.error: Exception | None = None

    def put_all(self, contents: Sequence[bytes]) -> tuple[Digest, ...]:
        self.asked.append(len(contents))
        self.gate.acquire()
        if self.error is not None:
            raise self.error
        return super().put_all(contents)


def duty_of(number: int, results: bytes | None = None) -> Duty:
    results = bytes([number]) if results is None else results
    digest = file_digest(results)
    outcome = Outcome(OutcomeStatus.OK, 1, bytes(32), digest, bytes(32))
    return replace(
        DUTY, job_id=JobId(number.to_bytes(32)), outcome=outcome, results=results
    )


@pytest.fixture
def store() -> Iterator[SlowStore]:
    store = SlowStore()
    yield store
    store.gate.release(100)


@pytest.fixture
def background() -> Iterator[TaskPool]:
    background = TaskPool(threads=4)
    yield background
    background.close()


@pytest.fixture
def publishing(store: SlowStore, background: TaskPool) -> Publishing:
    return Publishing(store, background, WorkerMetrics())


def settled(background: TaskPool) -> bool:
    background.collect()
    return background.count == 0


def test_flush_puts_what_is_due_together_in_one_request(
    store: SlowStore, background: TaskPool, publishing: Publishing
) -> None:
    duties = [duty_of(number) for number in range(3)]
    for duty in duties:
        publishing.offer(duty)
    publishing.flush()
    store.gate.release()
    assert eventually(lambda: settled(background))

    assert store.asked == [3]
    digests = [file_digest(bytes([number])) for number in range(3)]
    assert publishing.collect() == list(zip(duties, digests, strict=True))
    assert publishing.collect() == []


def test_flush_while_a_request_is_slow_sends_others_and_none_twice(
    store: SlowStore, background: TaskPool, publishing: Publishing
) -> None:
    for numbers in ([1], [1, 2]):
        for number in numbers:
            publishing.offer(duty_of(number))
        publishing.flush()
    assert eventually(lambda: store.asked == [1, 1])
    store.gate.release(2)
    assert eventually(lambda: settled(background))

    published = {duty.key for duty, _ in publishing.collect()}
    assert published == {duty_of(1).key, duty_of(2).key}


def test_flush_of_large_results_splits_them(
    store: SlowStore, background: TaskPool, publishing: Publishing
) -> None:
    for number in range(4):
        publishing.offer(duty_of(number, bytes([number]) * 100_000))
    publishing.offer(duty_of(4, b"x" * 300_000))
    publishing.flush()
    store.gate.release(3)
    assert eventually(lambda: settled(background))

    assert sorted(store.asked) == [1, 2, 2]
    assert len(publishing.collect()) == 5


def test_offer_after_a_failure_rests_before_it_is_sent_again(
    store: SlowStore, background: TaskPool, publishing: Publishing
) -> None:
    store.error = StoreUnavailable("gone")
    publishing.offer(duty_of(1))
    publishing.flush()
    store.gate.release()
    assert eventually(lambda: settled(background))
    store.error = None
    publishing.offer(duty_of(1))
    publishing.flush()
    assert store.asked == [1]

    def offered_again() -> bool:
        publishing.offer(duty_of(1))
        publishing.flush()
        return len(store.asked) == 2

    assert eventually(offered_again)
    store.gate.release()
    assert eventually(lambda: settled(background))
    assert [duty.key for duty, _ in publishing.collect()] == [duty_of(1).key]


def test_put_under_another_digest_fails_alone(
    store: SlowStore, background: TaskPool, publishing: Publishing
) -> None:
    wrong = replace(duty_of(1), results=b"something else")
    publishing.offer(wrong)
    publishing.offer(duty_of(2))
    publishing.flush()
    store.gate.release()
    assert eventually(lambda: settled(background))

    assert store.asked == [2]
    assert [duty.key for duty, _ in publishing.collect()] == [duty_of(2).key]
