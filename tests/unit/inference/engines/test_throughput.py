"""Measuring decode speed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from inference import (
    Engine,
    FinishReason,
    Generation,
    GenerationRequest,
    ModelLimits,
    measure_tokens_per_second,
)
from inference.engine import validate_requests


@dataclass
class PacedEngine:
    """Takes a set time per request and ends the text after `length` tokens."""

    limits: ModelLimits
    length: int
    seconds: float
    profile: str = "paced"
    now: float = 0.0
    answered: list[GenerationRequest] = field(default_factory=list)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        validate_requests(requests, self.limits)
        self.answered.extend(requests)
        self.now += self.seconds * len(requests)
        return [self._answer(request) for request in requests]

    def _answer(self, request: GenerationRequest) -> Generation:
        if self.length >= request.max_new_tokens:
            return Generation((0,) * request.max_new_tokens, FinishReason.LENGTH)
        return Generation((0,) * self.length, FinishReason.STOP)

    def clock(self) -> float:
        return self.now


def test_measure_tokens_per_second_long_answers_counts_tokens() -> None:
    engine = PacedEngine(ModelLimits(50, 512, None), length=1000, seconds=0.5)

    assert measure_tokens_per_second(engine, engine.clock) == 64.0


def test_measure_tokens_per_second_warm_up_is_not_timed() -> None:
    engine = PacedEngine(ModelLimits(50, 512, None), length=1000, seconds=0.5)

    measure_tokens_per_second(engine, engine.clock)

    assert len(engine.answered) == 3


def test_measure_tokens_per_second_text_ends_at_once_counts_the_end_token() -> None:
    engine = PacedEngine(ModelLimits(50, 512, 0), length=0, seconds=0.25)

    assert measure_tokens_per_second(engine, engine.clock) == 4.0


def test_measure_tokens_per_second_smallest_model_stays_within_limits() -> None:
    engine = PacedEngine(ModelLimits(1, 2, None), length=1000, seconds=0.5)

    assert measure_tokens_per_second(engine, engine.clock) == 2.0


def test_measure_tokens_per_second_real_engine_is_positive(
    tiny_engine: Engine,
) -> None:
    assert measure_tokens_per_second(tiny_engine) > 1
