from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks.engine import rounds as rounds_module
from benchmarks.engine.cases import CASES
from benchmarks.engine.rounds import BARE, EngineRounds, compare_bits

DECODE, PREFILL = CASES["decode_b1"], CASES["prefill_512"]


class FakeEngine:
    """Takes a second per prompt and another per new token, or half of that bare."""

    def __init__(self, name: str, calls: list[tuple[str, str, int]]) -> None:
        self.name = name
        self.prompts: list[Any] = []
        self._calls = calls

    def call(self, operation: str, **arguments: Any) -> Any:
        if not operation.startswith("generate"):
            return {"operation": operation, **arguments}
        self._calls.append((self.name, operation, arguments["new_tokens"]))
        self.prompts.append(arguments["prompts"])
        seconds = 1.0 + arguments["new_tokens"]
        return {"seconds": seconds / 2 if operation == "generate_bare" else seconds}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds_module, "PAUSE_SECONDS", 0.0)


def make(
    names: Sequence[str], bare: Sequence[str] = ()
) -> tuple[EngineRounds, list[tuple[str, str, int]], list[str]]:
    calls: list[tuple[str, str, int]] = []
    lines: list[str] = []
    engines = [FakeEngine(name, calls) for name in names]
    source = random.Random(1)
    return EngineRounds(engines, bare, 5, None, lines.append, source), calls, lines


def test_run_of_two_rounds_alternates_and_changes_who_is_first() -> None:
    rounds, calls, lines = make(["a", "b"])
    rounds.run([DECODE], 2)
    longer = [name for name, _, tokens in calls if tokens == 5]
    assert longer == ["a", "b", "b", "a"]
    assert len(lines) == 2
    assert "round 2 decode_b1" in lines[1]


def test_run_of_a_decode_case_keeps_the_rate_without_the_prompt() -> None:
    rounds, _, _ = make(["a"])
    rounds.run([DECODE], 3)
    assert rounds.samples == {("decode_b1", "a"): [1.0] * 3}


def test_run_of_a_prefill_case_times_one_token_only() -> None:
    rounds, calls, _ = make(["a"])
    rounds.run([PREFILL], 1)
    assert calls == [("a", "generate", 1)]
    assert rounds.samples == {("prefill_512", "a"): [256.0]}


def test_run_with_bare_engines_measures_them_beside_the_others() -> None:
    rounds, _, _ = make(["a", "b"], bare=["b"])
    rounds.run([DECODE], 1)
    assert rounds.samples["decode_b1", "b"] == [1.0]
    assert rounds.samples["decode_b1", "b" + BARE] == [2.0]
    assert ("decode_b1", "a" + BARE) not in rounds.samples


def test_run_with_bandwidth_reads_it_before_each_batch_of_one() -> None:
    rounds, calls, _ = make(["a", "b"])
    readings = iter([10.0, 20.0, 30.0, 40.0])
    rounds.read_bandwidth = lambda: next(readings)
    rounds.run([DECODE, PREFILL], 2)
    assert rounds.bandwidths == {"a": [10.0, 40.0], "b": [20.0, 30.0]}


def test_run_and_warm_up_never_repeat_a_prompt() -> None:
    rounds, _, _ = make(["a"])
    rounds.warm_up([DECODE])
    rounds.run([DECODE], 2)
    engine = rounds.engines[0]
    assert isinstance(engine, FakeEngine)
    texts = [tuple(row) for prompts in engine.prompts for row in prompts]
    assert len(texts) == 5
    assert len(set(texts)) == 5


def test_warm_up_of_engines_keeps_no_samples() -> None:
    rounds, calls, _ = make(["a", "b"])
    rounds.warm_up([DECODE, PREFILL])
    assert len(calls) == 4
    assert rounds.samples == {}


def test_compare_bits_of_an_engine_asks_for_half_the_prompt_at_once() -> None:
    found = compare_bits(FakeEngine("a", []), CASES["decode_b8"], 6, random.Random(1))
    assert found["engine"] == "a"
    assert found["logits"]["whole"] == 16
    assert found["tokens"]["new_tokens"] == 6
    assert found["logits"]["rows"] == found["tokens"]["rows"]
    assert len(found["logits"]["rows"]) == 8
