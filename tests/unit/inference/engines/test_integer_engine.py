"""The integer engine on the fake model: its port, its errors, its traces."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from inference.engine import MILLION, GenerationRequest
from inference.engines.integer_engine import IntegerEngine
from inference.errors import InvalidPrompt
from inference.models.integer_model import Choice, Piece
from inference.trace import hash_operations
from tests.support.models.fake_model import FakeModel

VOCABULARY = tuple(bytes([n]) for n in range(30))
SAMPLED = GenerationRequest((1, 2, 3), 9, seed=4, temperature=MILLION)
BATCH = [replace(SAMPLED, seed=n, prompt_ids=(n,) * (n + 1)) for n in range(5)]


def an_engine(model: FakeModel) -> IntegerEngine:
    return IntegerEngine(model, VOCABULARY, cache_bytes=700, prefill_rows=4)


def test_integer_engine_loaded_says_what_it_is() -> None:
    engine = an_engine(FakeModel(end_of_text=29))

    assert engine.profile == "int-w8a16"
    assert engine.limits.end_of_text == 29


def test_generate_batch_answers_in_order_as_if_alone() -> None:
    engine = an_engine(FakeModel(end_of_text=None))

    together = engine.generate(BATCH)

    assert together == [engine.generate([request])[0] for request in BATCH]
    assert len({answer.ids for answer in together}) == len(BATCH)


def test_generate_no_requests_returns_nothing() -> None:
    assert an_engine(FakeModel(end_of_text=None)).generate([]) == []


def test_generate_while_another_job_runs_leaves_it_its_answers() -> None:
    engine = an_engine(FakeModel(end_of_text=None))
    alone = engine.generate(BATCH)
    handle = engine.scheduler.submit(BATCH)
    engine.scheduler.run_step()

    assert engine.generate([BATCH[2]]) == [alone[2]]

    while engine.scheduler.run_step():
        pass
    assert engine.scheduler.take_finished() == {handle: alone}


class Interrupted(FakeModel):
    """A model in whose third step somebody presses Ctrl-C."""

    def step(
        self, pieces: Sequence[Piece], choices: Sequence[Choice | None]
    ) -> list[int]:
        if len(self.steps) == 2:
            self.steps.clear()
            raise KeyboardInterrupt
        return super().step(pieces, choices)


def test_generate_interrupted_leaves_no_sequence_open() -> None:
    model = Interrupted(end_of_text=None)
    engine = an_engine(model)

    with pytest.raises(KeyboardInterrupt):
        engine.generate(BATCH)

    assert model.open == {}
    assert not engine.scheduler.run_step()


def test_generate_interrupted_between_steps_leaves_no_sequence_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = FakeModel(end_of_text=None)
    engine = an_engine(model)

    def interrupt(handle: int) -> bool:
        if len(model.steps) == 2:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(engine.scheduler, "is_unfinished", interrupt)

    with pytest.raises(KeyboardInterrupt):
        engine.generate(BATCH)

    assert model.open == {}
    assert not engine.scheduler.run_step()


def test_trace_known_ids_hashes_what_the_model_gives() -> None:
    model = FakeModel(end_of_text=None)

    trace = an_engine(model).trace([3, 4])

    operations = {
        "embed": np.array([1, -2], np.int32),
        "head": model.logits_after([3, 4]),
    }
    assert trace == hash_operations(operations)
    assert model.open == {}


@pytest.mark.parametrize("ids", [(), (30,), (-1,), (1,) * 65])
def test_trace_unusable_ids_raises(ids: tuple[int, ...]) -> None:
    with pytest.raises(InvalidPrompt):
        an_engine(FakeModel(end_of_text=None)).trace(ids)
