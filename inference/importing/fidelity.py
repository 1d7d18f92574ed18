"""Fidelity: how well an integer model predicts text, beside its float original.

Both see the same windows of the full context that overlap by half, so every token but
the first few is predicted from at least half a context.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inference.models.integer_model import Choice, IntegerModel, Piece
from inference.quantising.models import FloatModel

FloatArray = NDArray[np.float64]

_LOGIT_STEPS = 2**16
_SEQUENCES = 16
_PREFILL_ROWS = 64
_GREEDY = Choice(temperature=0, top_k=0, top_p=1_000_000, draw=0)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Perplexities of two models on the same tokens.

    Attributes:
        float_perplexity: Of the float original.
        integer_perplexity: Of the integer model, by an integer engine.
        tokens: Tokens predicted.
    """

    float_perplexity: float
    integer_perplexity: float
    tokens: int

    @property
    def loss(self) -> float:
        """By how much the integer model's perplexity is higher: 0.01 is 1%."""
        return self.integer_perplexity / self.float_perplexity - 1


def measure_fidelity(
    original: FloatModel, model: IntegerModel, tokens: Sequence[int]
) -> Fidelity:
    """Compares an integer model with its float original on running text.

    Args:
        original: The float model.
        model: The integer model, with no other sequence open.
        tokens: At least two ids.
    """
    expected = float_losses(original, tokens)
    found = integer_losses(model, tokens)
    return Fidelity(
        float_perplexity=math.exp(expected.mean()),
        integer_perplexity=math.exp(found.mean()),
        tokens=len(expected),
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of the text; `first` is the first position whose successor counts."""

    start: int
    first: int
    ids: tuple[int, ...]


def _windows(tokens: Sequence[int], context: int) -> Iterator[_Window]:
    done = start = 0
    stride = context // 2
    while done < len(tokens) - 1:
        ids = tuple(tokens[start : start + context])
        last = min(start + context, len(tokens) - 1)
        yield _Window(start, done - start, ids)
        done = last
        start += stride


@torch.inference_mode()
def float_losses(model: FloatModel, tokens: Sequence[int]) -> FloatArray:
    """Returns the loss in nats of each token after the first."""
    losses = np.empty(len(tokens) - 1)
    for window in _windows(tokens, model.shape.context_length):
        rows = model.forward(torch.tensor([window.ids]))[0, window.first :]
        begin = window.start + window.first
        wanted = torch.tensor(tokens[begin + 1 : begin + 1 + len(rows)])
        logits = model.logits(rows[: len(wanted)])
        scored = functional.cross_entropy(logits, wanted, reduction="none")
        losses[begin : begin + len(wanted)] = scored.double().numpy()
    return losses


def integer_losses(model: IntegerModel, tokens: Sequence[int]) -> FloatArray:
    """Returns the loss in nats of each token after the first.

    The model computes in integers; only its logits are turned into losses here.
    """
    losses = np.empty(len(tokens) - 1)
    windows = _windows(tokens, model.shape.context_length)
    running: dict[int, tuple[_Window, int]] = {}
    while True:
        while len(running) < _SEQUENCES and (window := next(windows, None)):
            running[model.open_sequence(len(window.ids))] = (window, 0)
        if not running:
            return losses
        pieces = [_next_piece(number, *state) for number, state in running.items()]
        is_scored = [
            piece.start >= running[piece.sequence][0].first for piece in pieces
        ]
        model.step(pieces, [_GREEDY if scored else None for scored in is_scored])
        for index, piece in enumerate(pieces):
            window, _ = running[piece.sequence]
            end = piece.start + len(piece.ids)
            place = window.start + end - 1
            if is_scored[index] and place < len(losses):
                losses[place] = _loss(model.logits(index), tokens[place + 1])
            running[piece.sequence] = (window, end)
            if end == len(window.ids):
                model.close_sequence(piece.sequence)
                del running[piece.sequence]


def _next_piece(sequence: int, window: _Window, fed: int) -> Piece:
    end = min(window.first, fed + _PREFILL_ROWS) if fed < window.first else fed + 1
    return Piece(sequence, fed, window.ids[fed:end])


def _loss(logits: NDArray[np.int32], wanted: int) -> float:
    below = (logits - logits.max()) / _LOGIT_STEPS
    return float(np.log(np.exp(below).sum()) - below[wanted])
