from __future__ import annotations

import random

import pytest

from benchmarks.engine.cases import CASES, decode_rate, prefill_rate
from benchmarks.errors import BenchmarkError
from benchmarks.random_package import VOCAB_SIZE


def test_decode_rate_of_two_calls_leaves_the_prompt_out() -> None:
    # 8 rows of 127 tokens after the first, in the 2 seconds that they took.
    assert decode_rate(8, 128, first=0.5, all_tokens=2.5) == 8 * 127 / 2


def test_decode_rate_when_the_longer_call_was_faster_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="too busy to measure"):
        decode_rate(1, 128, first=0.5, all_tokens=0.5)


def test_prefill_rate_of_one_call_counts_the_prompt() -> None:
    assert prefill_rate(CASES["prefill_512"], 0.25) == 2048


def test_case_prompts_of_a_batch_are_fresh_and_of_the_vocabulary() -> None:
    case, source = CASES["decode_b8"], random.Random(1)
    first, second = case.prompts(source), case.prompts(source)
    assert first != second
    assert [len(row) for row in first] == [32] * 8
    assert len({tuple(row) for row in first}) == 8
    assert all(0 <= token < VOCAB_SIZE for row in first for token in row)
