"""Fidelity of every profile to the bundled checkpoint, also with outlier channels.

Measured by whichever integer engine runs here, on a part of the held-out text that
takes seconds; the model card has the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from inference.architectures.torch_model import TorchModel
from inference.architectures.torch_table import quantise
from inference.checkpoints.checkpoint import BUNDLED_CHECKPOINT, read_checkpoint
from inference.checkpoints.weights import read_float_model
from inference.errors import NativeUnavailable
from inference.importing.fidelity import FloatArray, float_losses, integer_losses
from inference.importing.texts import read_text
from inference.models.integer_model import IntegerModel
from inference.native import NativeModel
from inference.profiles import profile_named
from inference.quantising.calibration import Calibration, calibrate
from inference.quantising.models import FloatModel, QuantisedModel
from tests.support.models.outliers import FACTORS, inject_outliers

TOKENS = 2_048
WINDOWS = 8
LIMITS = {"int-w12a16": 0.002, "int-w8a16": 0.01, "int-w8b8": 0.02}
"""Most that a perplexity may rise, by profile."""


@dataclass(frozen=True, slots=True)
class Case:
    """A float model, what it was calibrated to, and its losses on held-out text."""

    original: FloatModel
    calibration: Calibration
    held_out: list[int]
    losses: FloatArray

    @property
    def perplexity(self) -> float:
        return math.exp(self.losses.mean())


def case_of(folder: Path, windows: Tensor, held_out: list[int]) -> Case:
    original = read_float_model(read_checkpoint(folder))
    return Case(
        original,
        calibrate(original, windows),
        held_out,
        float_losses(original, held_out),
    )


def loaded(made: QuantisedModel) -> IntegerModel:
    try:
        return NativeModel(made.shape, made.tensor, threads=2)
    except NativeUnavailable:
        return TorchModel(made.shape, made.tensor)


@pytest.fixture(scope="module", autouse=True)
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def text() -> tuple[Tensor, list[int]]:
    read = read_text(read_checkpoint(BUNDLED_CHECKPOINT), None)
    return read.windows[::2][:WINDOWS], read.held_out[: TOKENS + 1]


@pytest.fixture(scope="module")
def plain(text: tuple[Tensor, list[int]]) -> Case:
    return case_of(BUNDLED_CHECKPOINT, *text)


@pytest.fixture(scope="module")
def with_outliers(
    text: tuple[Tensor, list[int]], tmp_path_factory: pytest.TempPathFactory
) -> Case:
    folder = tmp_path_factory.mktemp("outliers") / "checkpoint"
    inject_outliers(BUNDLED_CHECKPOINT, folder, text[0])
    return case_of(folder, *text)


@pytest.mark.parametrize("profile", LIMITS)
@pytest.mark.parametrize("checkpoint", ["plain", "with_outliers"])
def test_quantise_bundled_checkpoint_keeps_its_perplexity(
    request: pytest.FixtureRequest, checkpoint: str, profile: str
) -> None:
    case: Case = request.getfixturevalue(checkpoint)
    made = quantise(case.original, case.calibration, profile_named(profile))

    losses = integer_losses(loaded(made), case.held_out)

    assert abs(math.exp(losses.mean()) / case.perplexity - 1) <= LIMITS[profile]


def test_inject_outliers_makes_a_sensible_model_with_large_channels(
    plain: Case, with_outliers: Case
) -> None:
    largest = with_outliers.calibration["residual"].largest
    ranked = largest.argsort(descending=True).tolist()

    assert set(ranked[: len(FACTORS)]) == set(FACTORS)
    assert float(largest[ranked[0]]) > 2_000
    assert float(largest[ranked[2]]) > 200
    assert float(largest[ranked[len(FACTORS)]]) < 40
    assert with_outliers.perplexity < 1.1 * plain.perplexity
