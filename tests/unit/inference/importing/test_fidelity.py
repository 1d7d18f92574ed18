"""Losses of float and integer models on the same windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inference.architectures.torch_model import TorchModel
from inference.bundled.evaluate import load_stored_model, stream_losses
from inference.checkpoints.checkpoint import read_checkpoint
from inference.checkpoints.weights import read_float_model
from inference.importing.fidelity import float_losses, integer_losses
from inference.importing.saturation import count_saturation
from inference.models.integer_model import Piece
from inference.profiles import W8A16
from inference.quantising.models import FloatModel
from tests.support.models.checkpoints import CONTEXT, TEXT
from tests.support.models.packages import SEED, small_shape
from tests.support.models.random_models import random_tensors


@pytest.fixture(scope="module")
def original(sound: Path) -> FloatModel:
    return read_float_model(read_checkpoint(sound))


@pytest.mark.parametrize(
    "length", [2, CONTEXT, CONTEXT + 1, CONTEXT + 2, 3 * CONTEXT + 5]
)
def test_float_losses_any_length_equal_those_of_transformers(
    sound: Path, original: FloatModel, length: int
) -> None:
    tokens = list(TEXT.encode()[:length])

    expected = stream_losses(load_stored_model(sound), torch.tensor(tokens))

    found = float_losses(original, tokens)
    assert found == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


def losses_one_by_one(model: TorchModel, tokens: Sequence[int]) -> list[float]:
    """The loss of each token after the first, with the windows spelled out."""
    context = model.shape.context_length
    losses = []
    for place in range(1, len(tokens)):
        windows = max(0, -(-(place - context) // (context // 2)))
        start = windows * (context // 2)
        sequence = model.open_sequence(place - start)
        trace = model.trace([Piece(sequence, 0, tuple(tokens[start:place]))])
        model.close_sequence(sequence)
        scaled = trace["head"] / 65_536
        losses.append(float(np.logaddexp.reduce(scaled) - scaled[tokens[place]]))
    return losses


@pytest.mark.parametrize("length", [2, 24, 26, 41])
def test_integer_losses_any_length_equal_those_of_single_prompts(length: int) -> None:
    shape = small_shape(W8A16)
    model = TorchModel(shape, random_tensors(shape, SEED))
    tokens = np.random.default_rng(SEED).integers(0, 256, length).tolist()

    found = integer_losses(model, tokens)

    assert found == pytest.approx(losses_one_by_one(model, tokens))


def test_count_saturation_clamped_values_are_counted_by_kind() -> None:
    shape = small_shape(W8A16)
    tensors = random_tensors(shape, SEED)

    def saturating(name: str) -> NDArray[np.generic]:
        values = tensors(name)
        if name.endswith(("0.fc.bias", "1.qkv.bias")):
            return np.full_like(values, 2**20)
        return values

    found = count_saturation(TorchModel(shape, saturating), range(10))

    # Every second layer's values; its queries and keys, and its values.
    assert found["hidden"].clamped >= 10 * shape.inner_width
    assert found["hidden"].values == 2 * 10 * shape.inner_width
    assert found["queries and keys"].clamped >= 10 * 2 * shape.width
    assert found["values"].clamped >= 10 * shape.width
    assert found["norm"].values == 5 * 10 * shape.width
    assert found["residual"].clamped == 0
    assert found["logits"].values == 10 * 256
