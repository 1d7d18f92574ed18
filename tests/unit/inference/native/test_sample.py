"""The native sampler, compared with `docs/spec/arithmetic.md` §8 in Python."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import inference.native
from inference.errors import NativeUnavailable
from tests.support.reference import reference
from tests.support.reference.native_rows import sample
from tests.support.reference.reference import REST

MILLION = 1_000_000

PATTERNS = ("normal", "close", "level", "steps", "full", "ends")


@pytest.fixture(autouse=True)
def _library() -> None:
    try:
        sample([0], 0, 0, MILLION, 0)
    except NativeUnavailable as error:
        pytest.skip(str(error))


def logits_of(pattern: str, vocab: int) -> list[int]:
    random = np.random.default_rng([vocab, PATTERNS.index(pattern)])
    patterns: dict[str, Callable[[], NDArray[Any]]] = {
        "normal": lambda: random.normal(0, 3 * 65536, vocab).astype(np.int64),
        "close": lambda: random.normal(0, 200, vocab).astype(np.int64),
        "level": lambda: np.full(vocab, -5),
        "steps": lambda: 40_000 * random.integers(-3, 4, vocab),
        "full": lambda: random.integers(-REST, REST + 1, vocab),
        "ends": lambda: random.choice([-REST, REST, REST - 1], vocab),
    }
    return list(patterns[pattern]().tolist())


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("vocab", [1, 2, 100, 1000])
def test_sample_token_any_choice_follows_the_spec(pattern: str, vocab: int) -> None:
    logits = logits_of(pattern, vocab)
    random = np.random.default_rng(vocab)
    for temperature in (0, 1, 1000, 700_000, MILLION, 100 * MILLION):
        for top_k in (0, 1, 2, 40, vocab, vocab + 1, 2**32 - 1):
            for top_p in (1, 500_000, 950_000, MILLION - 1, MILLION):
                draw = int(random.integers(2**64, dtype=np.uint64))
                choice = (temperature, top_k, top_p, draw)
                assert sample(logits, *choice) == reference.sample(logits, *choice)


@pytest.mark.parametrize("draw", [0, 2**64 - 1])
@pytest.mark.parametrize("pattern", ["normal", "steps", "full"])
def test_sample_token_real_vocabulary_follows_the_spec(pattern: str, draw: int) -> None:
    logits = logits_of(pattern, 50_257)
    for temperature, top_k, top_p in (
        (0, 0, MILLION),
        (MILLION, 0, 900_000),
        (800_000, 50, 950_000),
        (100 * MILLION, 0, MILLION),
    ):
        choice = (temperature, top_k, top_p, draw)
        assert sample(logits, *choice) == reference.sample(logits, *choice)


def test_sample_token_every_draw_meets_every_kept_token_by_its_weight() -> None:
    logits = [0, 65_536, -65_536, 65_536]
    weights = reference.sampling_weights(logits, MILLION)
    total = sum(weights)
    firsts = [sum(weights[:token]) for token in range(4)]
    for token, first in enumerate(firsts):
        last = first + weights[token] - 1
        for draw in (first, last, first + total, last + total):
            assert sample(logits, MILLION, 0, MILLION, draw) == token


def test_sample_token_smallest_weight_there_is_can_be_drawn() -> None:
    temperature = 100 * MILLION
    factor = 94548 * 2**16 // 100
    gap = -(-(27 << 48) // factor)  # shifts exp31(0) = 2^31 by 31, the most there is
    logits = [0, -gap]
    assert reference.sampling_weights(logits, temperature) == [2**27, 1]
    assert sample(logits, temperature, 0, MILLION, 2**27 - 1) == 0
    assert sample(logits, temperature, 0, MILLION, 2**27) == 1


@pytest.mark.parametrize("name", ["COARSE", "FINE"])
def test_tables_in_the_sources_are_powers_rounded_to_nearest(name: str) -> None:
    source = Path(inference.native.__file__).parent / "src" / "sample_tables.h"
    [body] = re.findall(rf"{name}\[256\] = \{{(.*?)\}};", source.read_text(), re.DOTALL)
    table = [int(number) for number in re.findall(r"(\d+)u", body)]
    assert table == reference.power_table({"COARSE": 256, "FINE": 65536}[name])
