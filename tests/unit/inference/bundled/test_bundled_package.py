"""The bundled integer package as it is in the repository."""

from __future__ import annotations

import re

import pytest

from inference import (
    BUNDLED_CHECKPOINT,
    BUNDLED_MODEL,
    IntegerPackage,
    check_vectors,
    read_checkpoint,
    read_package,
)
from inference.importing.fidelity import integer_losses
from inference.importing.texts import read_text
from inference.loading import load_model
from inference.models.integer_model import IntegerModel
from inference.packages.package import PACKAGE_FILES
from tests.support.reference.backends import BACKENDS, load

MAX_BYTES = 8 * 10**6
CHECKED_TOKENS = 1_024


@pytest.fixture(scope="module")
def package() -> IntegerPackage:
    return read_package(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def model(package: IntegerPackage) -> IntegerModel:
    return load_model(package, backend="auto")


@pytest.fixture(scope="module")
def card() -> str:
    return (BUNDLED_MODEL / "README.md").read_text(encoding="utf-8")


def test_bundled_package_files_are_complete_and_small() -> None:
    files = sorted(path.name for path in BUNDLED_MODEL.iterdir())

    assert files == sorted(PACKAGE_FILES)
    assert sum(path.stat().st_size for path in BUNDLED_MODEL.iterdir()) <= MAX_BYTES


def test_bundled_package_is_of_the_bundled_checkpoint(package: IntegerPackage) -> None:
    assert package.shape.limits == read_checkpoint(BUNDLED_CHECKPOINT).shape.limits
    name = "tokenizer.json"
    assert (BUNDLED_MODEL / name).read_bytes() == (
        BUNDLED_CHECKPOINT / name
    ).read_bytes()


def test_bundled_package_root_is_the_one_of_its_card(
    package: IntegerPackage, card: str
) -> None:
    assert f"`0x{package.weights_root().hex()}`" in card


@pytest.mark.parametrize("backend", BACKENDS)
def test_bundled_package_vectors_are_right_on_every_backend(
    package: IntegerPackage, backend: str
) -> None:
    model = load(backend, package.shape, package.load_tensor)

    assert check_vectors(BUNDLED_MODEL, model) == 5


def test_bundled_package_card_states_a_loss_within_one_percent(card: str) -> None:
    stated = re.search(r"perplexity, this package \| [\d.]+ \(([+-][\d.]+)%\)", card)

    assert stated is not None, "the model card states no perplexity"
    assert abs(float(stated[1])) <= 1


def test_bundled_package_held_out_perplexity_is_that_of_its_kind(
    model: IntegerModel,
) -> None:
    text = read_text(read_checkpoint(BUNDLED_CHECKPOINT), None)

    losses = integer_losses(model, text.held_out[: CHECKED_TOKENS + 1])

    # Of uniform guesses it would be 8.3.
    assert losses.mean() < 4.5
