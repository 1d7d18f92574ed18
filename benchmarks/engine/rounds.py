"""Driving the engines in turn, so that a noisy machine affects all alike."""

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from benchmarks.engine.cases import Case, decode_rate, prefill_rate

PAUSE_SECONDS: Final = 0.15
"""Between two calls, so that the threads of the last engine have gone to sleep."""

WARM_UP_TOKENS: Final = 8

BARE: Final = "/bare"


class Callee(Protocol):
    """An engine in a process of its own; see `benchmarks.engine.process`."""

    @property
    def name(self) -> str:
        """Name of the engine."""

    def call(self, operation: str, **arguments: object) -> Any:
        """Asks it for something and waits for the answer."""


@dataclass
class EngineRounds:
    """Measures cases on engines, one engine at a time.

    Attributes:
        engines: All of them, loaded.
        bare: Names of those that are also asked to run without what is around their
            model; samples of that are kept under the name and `BARE`.
        new_tokens: Tokens generated after each prompt.
        read_bandwidth: Measures the memory, or None if nobody wants to know.
        progress: Called with a line when something was measured.
        source: Of the prompts.
        samples: What was measured: case and engine to one rate per round.
        bandwidths: Engine to the bandwidth just before each of its `decode_b1`.
    """

    engines: Sequence[Callee]
    bare: Collection[str]
    new_tokens: int
    read_bandwidth: Callable[[], float] | None
    progress: Callable[[str], None]
    source: random.Random
    samples: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    bandwidths: dict[str, list[float]] = field(default_factory=dict)

    def warm_up(self, cases: Sequence[Case]) -> None:
        """Runs every case shortly on every engine."""
        for case in cases:
            for engine in self.engines:
                self._seconds(engine, case, min(WARM_UP_TOKENS, self.new_tokens))

    def run(self, cases: Sequence[Case], count: int) -> None:
        """Runs rounds; in each, every case on every engine, once.

        Args:
            cases: What to measure.
            count: How many rounds.
        """
        for number in range(count):
            for case in cases:
                for engine in self._in_turn(number):
                    self._measure(case, engine)
                self._report(number, case)

    def _in_turn(self, number: int) -> Iterator[Callee]:
        """Yields the engines, each round starting with the next."""
        for place in range(len(self.engines)):
            yield self.engines[(number + place) % len(self.engines)]

    def _measure(self, case: Case, engine: Callee) -> None:
        if case.name == "decode_b1" and self.read_bandwidth is not None:
            time.sleep(PAUSE_SECONDS)
            self.bandwidths.setdefault(engine.name, []).append(self.read_bandwidth())
        self._sample(case, engine, engine.name, "generate")
        if engine.name in self.bare:
            self._sample(case, engine, engine.name + BARE, "generate_bare")

    def _sample(self, case: Case, engine: Callee, name: str, operation: str) -> None:
        first = self._seconds(engine, case, 1, operation)
        if case.decodes:
            seconds = self._seconds(engine, case, self.new_tokens, operation)
            rate = decode_rate(case.batch, self.new_tokens, first, seconds)
        else:
            rate = prefill_rate(case, first)
        self.samples.setdefault((case.name, name), []).append(rate)

    def _seconds(
        self, engine: Callee, case: Case, new_tokens: int, operation: str = "generate"
    ) -> float:
        time.sleep(PAUSE_SECONDS)
        prompts = case.prompts(self.source)
        reply = engine.call(operation, prompts=prompts, new_tokens=new_tokens)
        return float(reply["seconds"])

    def _report(self, number: int, case: Case) -> None:
        rates = ", ".join(
            f"{engine.name} {self.samples[case.name, engine.name][-1]:.0f}"
            for engine in self.engines
        )
        self.progress(f"round {number + 1} {case.name} (tokens/s): {rates}")


def compare_bits(
    engine: Callee, case: Case, new_tokens: int, source: random.Random
) -> Mapping[str, Any]:
    """Asks an engine whether its bits depend on the batch and on the cache.

    Args:
        engine: The engine.
        case: Prompts to compare; the whole batch against its first row.
        new_tokens: Tokens to generate for the comparison of tokens.
        source: Of the prompts.
    """
    rows = case.prompts(source)
    half = case.prompt_tokens // 2
    return {
        "engine": engine.name,
        "logits": engine.call("compare_logits", rows=rows, whole=half),
        "tokens": engine.call("compare_tokens", rows=rows, new_tokens=new_tokens),
    }
