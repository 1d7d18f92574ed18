"""Whether an engine gives the same bits in a batch, and with a cache.

Runs in the project's environment and in `.venv-bench`: it needs numpy alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.engine.child import Generate

LastLogits = Callable[[list[list[int]], int], NDArray[Any]]
"""From equally long rows and a number `whole` to the logits after the last token,
shape (rows, vocabulary): `whole` tokens are fed at once, the others one at a time."""


def difference(left: NDArray[Any], right: NDArray[Any]) -> dict[str, float]:
    """Compares two arrays of logits.

    Returns:
        `share` of the values that differ and the `largest` difference.
    """
    gap = np.abs(left.astype(np.float64) - right.astype(np.float64))
    return {"share": float(np.mean(left != right)), "largest": float(gap.max())}


def compare_logits(
    last_logits: LastLogits, rows: list[list[int]], whole: int
) -> dict[str, dict[str, float]]:
    """Compares the first row's logits: alone or in a batch, prefilled or decoded.

    Args:
        last_logits: The engine.
        rows: The batch.
        whole: Tokens that are fed at once where the others are decoded.
    """
    alone = last_logits(rows[:1], whole)[0]
    length = len(rows[0])
    return {
        "batch": difference(alone, last_logits(rows, whole)[0]),
        "cache": difference(alone, last_logits(rows[:1], length)[0]),
    }


def compare_tokens(
    generate: Generate, rows: list[list[int]], new_tokens: int
) -> dict[str, int]:
    """Counts tokens of the first row that change in a batch, and without a cache.

    Args:
        generate: The engine, greedy.
        rows: Prompts of the batch.
        new_tokens: Tokens generated after each.
    """
    alone = generate(rows[:1], new_tokens)[0]
    batched = generate(rows, new_tokens)[0]
    afresh = [
        generate([rows[0] + alone[:place]], 1)[0][0] for place in range(new_tokens)
    ]
    return {
        "compared": new_tokens,
        "batch": sum(a != b for a, b in zip(alone, batched, strict=True)),
        "cache": sum(a != b for a, b in zip(alone, afresh, strict=True)),
    }
