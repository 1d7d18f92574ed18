"""The Merkle root over a model's tensors: `docs/spec/arithmetic.md` §9.

A leaf is one row of one tensor, so that a dispute can show the row that a value was
computed from, whatever the model's size.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

_HASH_BYTES = 32


def row_leaves(name: str, tensor: NDArray[np.generic]) -> bytes:
    """Returns the hashes of a tensor's rows, one after the other.

    Args:
        name: The tensor's name, ASCII, at most 255 characters.
        tensor: Its values, little-endian; a row is its last dimension.
    """
    label = name.encode("ascii")
    start = sha256(b"\0" + len(label).to_bytes(1, "big") + label)
    rows = np.ascontiguousarray(tensor).reshape(-1, tensor.shape[-1])
    leaves = bytearray()
    for index, row in enumerate(rows.view(np.uint8)):
        leaf = start.copy()
        leaf.update(index.to_bytes(4, "big"))
        leaf.update(row.data)
        leaves += leaf.digest()
    return bytes(leaves)


def merkle_root(leaves: bytes) -> bytes:
    """Returns the root over hashes of 32 bytes each; at least one.

    An odd node at the end of a level goes up as it is.
    """
    level = leaves
    while len(level) > _HASH_BYTES:
        pairs = range(0, len(level) - _HASH_BYTES, 2 * _HASH_BYTES)
        parents = b"".join(
            sha256(b"\1" + level[place : place + 2 * _HASH_BYTES]).digest()
            for place in pairs
        )
        level = parents + level[len(pairs) * 2 * _HASH_BYTES :]
    return level


def weights_root(tensors: Iterable[tuple[str, NDArray[np.generic]]]) -> bytes:
    """Returns the root of a model from its named tensors, in any order."""
    return root_of_leaves({name: row_leaves(name, values) for name, values in tensors})


def root_of_leaves(leaves: Mapping[str, bytes]) -> bytes:
    """Returns the root of a model from what `row_leaves` gave for each tensor."""
    ordered = sorted(leaves, key=lambda name: name.encode("ascii"))
    return merkle_root(b"".join(leaves[name] for name in ordered))
