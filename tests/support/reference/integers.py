"""Hypothesis strategies for integers and arrays that are rich in extremes."""

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray


def extremes(lowest: int, highest: int) -> st.SearchStrategy[int]:
    """Integers of a closed range, its ends and the neighbourhood of 0 most often."""
    near = {lowest, lowest + 1, -1, 0, 1, highest - 1, highest}
    inside = sorted(value for value in near if lowest <= value <= highest)
    return st.one_of(st.sampled_from(inside), st.integers(lowest, highest))


def filled(
    shape: int | tuple[int, ...], lowest: int, highest: int
) -> st.SearchStrategy[NDArray[Any]]:
    """Arrays of int64 whose values are mostly the same, or all drawn, or random."""
    value = extremes(lowest, highest)
    return st.one_of(
        arrays.arrays(np.int64, shape, elements=value, fill=value),
        st.builds(
            lambda seed: np.random.default_rng(seed).integers(
                lowest, highest, shape, np.int64, endpoint=True
            ),
            st.integers(0, 2**32),
        ),
    )


def signed_ends(
    shape: int | tuple[int, ...], limit: int
) -> st.SearchStrategy[NDArray[Any]]:
    """Arrays of plus and minus `limit` only."""
    return st.builds(
        lambda seed: limit * np.random.default_rng(seed).choice([-1, 1], shape),
        st.integers(0, 2**32),
    )
