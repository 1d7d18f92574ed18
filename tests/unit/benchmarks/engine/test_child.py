from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.child import compare_logits, compare_tokens, difference

ROWS = [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_difference_of_two_arrays_gives_share_and_largest() -> None:
    left = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    right = np.array([1.0, 2.5, 3.0, 4.0], np.float32)
    assert difference(left, right) == {"share": 0.25, "largest": 0.5}


def test_difference_of_extreme_integers_does_not_wrap() -> None:
    left, right = np.array([-(2**31)], np.int32), np.array([2**31 - 1], np.int32)
    assert difference(left, right)["largest"] == 2**32 - 1


def test_compare_logits_of_an_exact_engine_finds_nothing() -> None:
    def exact(rows: list[list[int]], whole: int) -> NDArray[Any]:
        return np.array(rows)

    nothing = {"share": 0.0, "largest": 0.0}
    assert compare_logits(exact, ROWS, 2) == {"batch": nothing, "cache": nothing}


def test_compare_logits_of_an_inexact_engine_tells_batch_from_cache() -> None:
    def inexact(rows: list[list[int]], whole: int) -> NDArray[Any]:
        # A batch moves all four logits, a prefill of the whole prompt only one.
        logits = np.array(rows, np.float64) + (len(rows) - 1)
        logits[:, 0] += 10 * (whole == len(rows[0]))
        return logits

    found = compare_logits(inexact, ROWS, 2)
    assert found["batch"] == {"share": 1.0, "largest": 1.0}
    assert found["cache"] == {"share": 0.25, "largest": 10.0}


def test_compare_tokens_of_an_engine_that_sees_its_batch_counts_them() -> None:
    def generate(rows: list[list[int]], new_tokens: int) -> list[list[int]]:
        # The n-th token is the length of the text so far, plus the other rows.
        return [
            [len(row) + place + len(rows) - 1 for place in range(new_tokens)]
            for row in rows
        ]

    assert compare_tokens(generate, ROWS, 3) == {"compared": 3, "batch": 3, "cache": 0}


def test_compare_tokens_of_an_engine_that_starts_afresh_counts_them() -> None:
    def generate(rows: list[list[int]], new_tokens: int) -> list[list[int]]:
        # Tokens after the first are different ones when decoded.
        return [[7, *[8] * (new_tokens - 1)] for _ in rows]

    assert compare_tokens(generate, ROWS, 3) == {"compared": 3, "batch": 0, "cache": 2}
