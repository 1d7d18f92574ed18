"""The lying engine: a plausible lie, always the same one."""

from __future__ import annotations

from collections.abc import Sequence

from devnet.demo.liar import LyingEngine
from inference.engine import FinishReason, Generation, GenerationRequest, ModelLimits

LIMITS = ModelLimits(vocab_size=10, context_length=8, end_of_text=None)
REQUEST = GenerationRequest((1,), 3)


class Scripted:
    """An engine whose answers are given."""

    profile = "float-dev"
    limits = LIMITS

    def __init__(self, *answers: tuple[int, ...]) -> None:
        self._answers = answers

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        return [Generation(ids, FinishReason.LENGTH) for ids in self._answers]


def ids_of(engine: LyingEngine) -> list[tuple[int, ...]]:
    return [answer.ids for answer in engine.generate([REQUEST, REQUEST])]


def test_generate_answers_changes_one_id_of_one_answer() -> None:
    liar = LyingEngine(Scripted((4, 5), (6, 7)))
    assert ids_of(liar) == [(5, 5), (6, 7)]
    assert ids_of(liar) == [(5, 5), (6, 7)]


def test_generate_last_id_stays_in_the_vocabulary() -> None:
    assert ids_of(LyingEngine(Scripted((9,), ())))[0] == (0,)


def test_generate_empty_answer_lies_about_the_next_one() -> None:
    assert ids_of(LyingEngine(Scripted((), (1,)))) == [(), (2,)]


def test_limits_and_profile_are_the_honest_engines() -> None:
    liar = LyingEngine(Scripted())
    assert (liar.limits, liar.profile) == (LIMITS, "float-dev")
