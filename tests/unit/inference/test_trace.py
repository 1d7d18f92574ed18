"""Hashes of a position's operations against the definition."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest

from inference.trace import hash_operations, operation_hash
from tests.support.reference import reference


def test_operation_hash_one_chunk_is_its_leaf() -> None:
    values = np.array([1, -1, 2**31 - 1], dtype=np.int32)

    packed = bytes.fromhex("000000000000000001ffffffff7fffffff")
    assert operation_hash(values) == hashlib.sha256(packed).digest()


@pytest.mark.parametrize("size", [1, 7, 8, 9, 16, 17, 40, 41, 100, 1_000])
def test_operation_hash_any_size_equals_reference(size: int) -> None:
    values = np.random.default_rng(size).integers(-(2**31), 2**31, size, np.int64)

    got = operation_hash(values.astype(np.int32))

    assert got == reference.operation_hash(values.tolist())


def test_operation_hash_any_value_changed_changes() -> None:
    values = np.zeros(19, dtype=np.int32)
    changed = [values, *(values + np.eye(19, dtype=np.int32))]

    assert len({operation_hash(each) for each in changed}) == 20


@pytest.mark.parametrize("count", [1, 2, 3, 14])
def test_hash_operations_any_count_equals_reference(count: int) -> None:
    rng = np.random.default_rng(count)
    operations = {
        f"{n}.fc": rng.integers(-99, 99, 5 + n).astype(np.int32) for n in range(count)
    }

    trace = hash_operations(operations)

    assert [each.name for each in trace.operations] == list(operations)
    for each, values in zip(trace.operations, operations.values(), strict=True):
        assert each.digest == operation_hash(values)
    lists = {name: values.tolist() for name, values in operations.items()}
    assert trace.root == reference.trace_root(lists)


def test_hash_operations_order_shows_in_the_root() -> None:
    values = [np.arange(n, n + 3, dtype=np.int32) for n in range(3)]
    orders = [values, values[::-1], values[1:] + values[:1]]

    roots = [
        hash_operations({str(n): each for n, each in enumerate(order)}).root
        for order in orders
    ]

    assert all(a != b for a, b in pairwise([*roots, roots[0]]))
