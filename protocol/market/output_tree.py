"""Merkle tree over a job's outputs: the Python twin of `libraries/OutputTree.sol`.

Leaves and nodes are tagged apart, a leaf holds its index and the count, and an odd
node is promoted, never doubled, so a proof fits one position of one tree only. An
output stands in the tree by its hash: Keccak-256 of its canonical JSON.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode
from eth_utils.crypto import keccak

__all__ = ["output_proofs", "output_root", "root_of_proof"]

_LEAF = keccak(text="assay.output.leaf.v1")
_NODE = keccak(text="assay.output.node.v1")


def output_root(hashes: Sequence[bytes]) -> bytes:
    """Root over outputs, given by their hashes. Raises ValueError if there are none."""
    return _levels(hashes)[-1][0]


def output_proofs(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """Siblings of every output, lowest first. Raises ValueError if there are none."""
    levels = _levels(hashes)[:-1]
    return [_siblings(levels, index) for index in range(len(hashes))]


def root_of_proof(
    output_hash: bytes, index: int, count: int, siblings: Sequence[bytes]
) -> bytes | None:
    """Root that follows from one output; None if the proof does not fit."""
    if not 0 <= index < count:
        return None
    node = _leaf(index, count, output_hash)
    remaining = list(siblings)
    width = count
    while width > 1:
        is_promoted = index == width - 1 and width % 2 == 1
        if not is_promoted:
            if not remaining:
                return None
            sibling = remaining.pop(0)
            left, right = (node, sibling) if index % 2 == 0 else (sibling, node)
            node = _node(left, right)
        index //= 2
        width = (width + 1) // 2
    return None if remaining else node


def _siblings(levels: list[list[bytes]], index: int) -> list[bytes]:
    siblings = []
    for level in levels:
        neighbour = index ^ 1
        if neighbour < len(level):
            siblings.append(level[neighbour])
        index //= 2
    return siblings


def _leaf(index: int, count: int, output_hash: bytes) -> bytes:
    types = ["bytes32", "uint256", "uint256", "bytes32"]
    return keccak(encode(types, [_LEAF, index, count, output_hash]))


def _node(left: bytes, right: bytes) -> bytes:
    return keccak(encode(["bytes32"] * 3, [_NODE, left, right]))


def _levels(hashes: Sequence[bytes]) -> list[list[bytes]]:
    if not hashes:
        raise ValueError("a tree needs at least one output")
    level = [_leaf(i, len(hashes), one) for i, one in enumerate(hashes)]
    levels = [level]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [_node(left, right) for left, right in pairs]
        if len(level) % 2 == 1:
            above.append(level[-1])
        level = above
        levels.append(level)
    return levels
