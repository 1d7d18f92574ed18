"""Saturation: how often an integer model's values stand at a clamp."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.models.integer_model import IntegerModel, Piece
from inference.models.layout import LOGIT_SHIFT, MAX_HEAD_VALUE, MAX_REST

_KEY_LIMIT = 4095
_VALUE_LIMIT = 32767

_SITES: Mapping[str, tuple[str, int]] = {
    "embed": ("residual", MAX_REST),
    "norm1": ("norm", _VALUE_LIMIT),
    "proj": ("residual", MAX_REST),
    "norm2": ("norm", _VALUE_LIMIT),
    "fc": ("hidden", _VALUE_LIMIT),
    "out": ("residual", MAX_REST),
    "final": ("norm", _VALUE_LIMIT),
    "head": ("logits", MAX_HEAD_VALUE << LOGIT_SHIFT),
}


@dataclass(frozen=True, slots=True)
class Saturation:
    """Values at one kind of clamp.

    Attributes:
        clamped: How many stand at the limit.
        values: How many there were.
    """

    clamped: int
    values: int


def count_saturation(model: IntegerModel, ids: Sequence[int]) -> dict[str, Saturation]:
    """Counts clamped values over the traces of a text's positions.

    Args:
        model: The model.
        ids: A text, at most the model's context.

    Returns:
        By kind of value: `queries and keys`, `values`, `norm`, `hidden`, `residual`,
        `logits`.
    """
    clamped: Counter[str] = Counter()
    values: Counter[str] = Counter()
    sequence = model.open_sequence(len(ids))
    try:
        for place, token in enumerate(ids):
            trace = model.trace([Piece(sequence, place, (token,))])
            for kind, limit, part in _clamped_parts(trace):
                clamped[kind] += int(np.count_nonzero(np.abs(part) >= limit))
                values[kind] += len(part)
    finally:
        model.close_sequence(sequence)
    return {kind: Saturation(clamped[kind], values[kind]) for kind in sorted(values)}


def _clamped_parts(
    trace: Mapping[str, NDArray[np.int32]],
) -> list[tuple[str, int, NDArray[np.int32]]]:
    parts = []
    for name, found in trace.items():
        operation = name.rpartition(".")[2]
        if operation == "qkv":
            cut = len(found) * 2 // 3
            parts.append(("queries and keys", _KEY_LIMIT, found[:cut]))
            parts.append(("values", _VALUE_LIMIT, found[cut:]))
        elif operation in _SITES:
            kind, limit = _SITES[operation]
            parts.append((kind, limit, found))
    return parts
