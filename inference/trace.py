"""Hashes of what a model computed at one position: arithmetic spec, §10.

Two engines that disagree about a token find the first operation that differs by its
hash, and within it the first chunk of 8 values by the tree.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inference.models.integer_model import Int32Array
from inference.packages.weights_root import merkle_root

CHUNK_VALUES = 8
"""Values in one leaf of an operation's tree."""


@dataclass(frozen=True, slots=True)
class OperationHash:
    """One operation of a position.

    Attributes:
        name: E.g. `embed` or `3.qkv`.
        digest: Root over its output, 32 bytes.
    """

    name: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class PositionTrace:
    """All operations of one position, in the order in which they are computed.

    Attributes:
        operations: From `embed` to `head`.
        root: Root over their hashes, 32 bytes.
    """

    operations: tuple[OperationHash, ...]
    root: bytes


def hash_operations(operations: Mapping[str, Int32Array]) -> PositionTrace:
    """Hashes what `IntegerModel.trace` returned.

    Args:
        operations: Name to values, in order; at least one.
    """
    hashed = tuple(
        OperationHash(name, operation_hash(values))
        for name, values in operations.items()
    )
    return PositionTrace(hashed, _root([each.digest for each in hashed]))


def operation_hash(values: Int32Array) -> bytes:
    """Returns the root over an operation's values in chunks of 8.

    Args:
        values: One dimension, at least one value.
    """
    data = values.astype(np.dtype(">i4")).tobytes()
    size = CHUNK_VALUES * 4
    return _root([data[start : start + size] for start in range(0, len(data), size)])


def _root(contents: Sequence[bytes]) -> bytes:
    leaves = (
        hashlib.sha256(b"\x00" + index.to_bytes(4, "big") + content).digest()
        for index, content in enumerate(contents)
    )
    return merkle_root(b"".join(leaves))
