"""The weights root against the tree written straight from the spec."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.packages.weights_root import row_leaves, weights_root
from tests.support.reference.reference import merkle_root


def expected_root(tensors: dict[str, NDArray[np.generic]]) -> bytes:
    leaves = []
    for name in sorted(tensors):
        rows = tensors[name].reshape(-1, tensors[name].shape[-1])
        for index, row in enumerate(rows):
            text = b"\0" + bytes([len(name)]) + name.encode()
            leaf = text + index.to_bytes(4, "big") + row.tobytes()
            leaves.append(hashlib.sha256(leaf).digest())
    return merkle_root(leaves)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7, 8, 13])
def test_weights_root_any_number_of_rows_equals_the_spec(rows: int) -> None:
    tensors: dict[str, NDArray[np.generic]] = {
        "b.weight": np.arange(rows * 3, dtype="<i2").reshape(rows, 3),
        "a.bias": np.arange(5, dtype="<i4"),
        "b": np.arange(8, dtype="u1").reshape(2, 2, 2),
    }

    assert weights_root(tensors.items()) == expected_root(tensors)
    assert weights_root(reversed(tensors.items())) == expected_root(tensors)


def test_row_leaves_same_bytes_under_another_name_or_row_differ() -> None:
    rows = np.zeros((2, 4), dtype="i1")

    leaves = row_leaves("a", rows) + row_leaves("b", rows)

    assert len({leaves[place : place + 32] for place in range(0, 128, 32)}) == 4


def test_row_leaves_strided_tensor_hashes_its_own_rows() -> None:
    values = np.arange(24, dtype="<i2").reshape(4, 6)

    assert row_leaves("a", values[:, ::2]) == row_leaves("a", values[:, ::2].copy())
