"""Many threads at one engine: what they get, and that they share its steps."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from inference.engine import Generation, GenerationRequest
from inference.engines.batching import BatchingEngine
from inference.engines.integer_engine import IntegerEngine
from inference.errors import InvalidPrompt
from tests.support.machines.processes import eventually
from tests.support.models.fake_model import FakeModel

VOCABULARY = tuple(bytes([97 + n]) for n in range(26)) + (b"", b"ab", b"\xff", b"end")
LONG = GenerationRequest((1, 2, 3), 50)


class GatedModel(FakeModel):
    """Computes a step only when it is let."""

    def __init__(self) -> None:
        super().__init__(end_of_text=None)
        self.permits = threading.Semaphore(0)

    def step(self, pieces, choices):  # type: ignore[no-untyped-def]
        self.permits.acquire()
        return super().step(pieces, choices)

    def let(self, steps: int) -> None:
        self.permits.release(steps)


def engine_of(model: FakeModel) -> IntegerEngine:
    return IntegerEngine(model, VOCABULARY, cache_bytes=10**6, prefill_rows=64)


def alone(request: GenerationRequest) -> Generation:
    return engine_of(FakeModel(end_of_text=None)).generate([request])[0]


def test_generate_from_many_threads_gives_each_its_own_answers() -> None:
    requests = [
        GenerationRequest((n % 30, 5), 3 + n % 7, seed=n, temperature=1_000_000)
        for n in range(40)
    ]
    engine = BatchingEngine(engine_of(FakeModel(end_of_text=None)))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: engine.generate([one]), requests))

    assert answers == [[alone(request)] for request in requests]
    assert engine.running == 0


def test_submit_while_others_run_joins_at_the_next_token() -> None:
    model = GatedModel()
    engine = BatchingEngine(engine_of(model))
    first = engine.submit([LONG])
    model.let(5)
    assert eventually(lambda: len(model.steps) == 5)

    late = engine.submit([GenerationRequest((7,), 2)])
    model.let(3)

    assert late.result(10) == [alone(GenerationRequest((7,), 2))]
    assert not first.done()
    assert [len(pieces) for pieces in model.steps[:8]].count(2) == 2
    model.let(100)
    assert first.result(10) == [alone(LONG)]


def test_submit_cancelled_leaves_the_batch_and_its_memory() -> None:
    model = GatedModel()
    engine = BatchingEngine(engine_of(model))
    unwanted, wanted = engine.submit([LONG]), engine.submit([LONG])
    model.let(3)
    assert eventually(lambda: len(model.steps) == 3)

    assert unwanted.cancel()
    model.let(100)

    assert wanted.result(10) == [alone(LONG)]
    assert model.open == {}
    with pytest.raises(CancelledError):
        unwanted.result(0)
    assert len(model.steps[-1]) == 1


def test_submit_refused_request_fails_by_itself() -> None:
    model = GatedModel()
    engine = BatchingEngine(engine_of(model))
    good = engine.submit([LONG])
    bad = engine.submit([GenerationRequest((99,), 1)])
    model.let(100)

    with pytest.raises(InvalidPrompt):
        bad.result(10)
    assert good.result(10) == [alone(LONG)]


def test_submit_after_a_failed_step_is_computed() -> None:
    model = FakeModel(end_of_text=None)
    model.fails_at = 2
    engine = BatchingEngine(engine_of(model))
    with pytest.raises(RuntimeError, match="the model broke"):
        engine.submit([LONG]).result(10)
    model.fails_at = None

    assert engine.generate([LONG]) == [alone(LONG)]


def test_submit_no_requests_gives_no_answers() -> None:
    engine = BatchingEngine(engine_of(FakeModel(end_of_text=None)))

    assert engine.submit([]).result(10) == []


def test_cpu_seconds_grow_with_what_is_computed() -> None:
    engine = BatchingEngine(engine_of(FakeModel(end_of_text=None)))
    engine.generate([LONG])
    before = engine.cpu_seconds
    engine.generate([LONG])

    assert eventually(lambda: engine.cpu_seconds > before)
