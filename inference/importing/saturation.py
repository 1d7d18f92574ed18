"""Saturation: how often an integer model's values stand at a clamp."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.models.integer_model import IntegerModel, Piece


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
            for name, found in trace.items():
                for clamp in model.shape.clamps(name):
                    part = found[clamp.start : clamp.stop]
                    at_limit = np.abs(part) >= clamp.limit
                    clamped[clamp.kind] += int(np.count_nonzero(at_limit))
                    values[clamp.kind] += len(part)
    finally:
        model.close_sequence(sequence)
    return {kind: Saturation(clamped[kind], values[kind]) for kind in sorted(values)}
