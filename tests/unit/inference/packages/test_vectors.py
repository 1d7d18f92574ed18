"""Test vectors: what is written is checked, and a wrong engine is told by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from inference.architectures.torch_model import TorchModel
from inference.errors import ModelPackageError, VectorMismatch
from inference.packages.package import read_package
from inference.packages.vectors import (
    MAX_VECTORS,
    check_vectors,
    make_vectors,
    read_vectors,
)
from tests.support.models.packages import (
    SEED,
    change_json,
    read_header,
    small_shape,
    write_with_header,
)
from tests.support.models.random_models import random_tensors

WEIGHTS = "model.safetensors"
VECTORS = "vectors.json"


def check(folder: Path) -> int:
    package = read_package(folder)
    return check_vectors(folder, TorchModel(package.shape, package.load_tensor))


def test_check_vectors_right_model_passes_all(package: Path) -> None:
    assert check(package) == 5


def test_make_vectors_small_context_keeps_prompts_within_it() -> None:
    shape = small_shape()
    model = TorchModel(shape, random_tensors(shape, SEED))

    vectors = make_vectors(model, range(64))

    assert len({vector.name for vector in vectors}) == len(vectors)
    assert max(len(vector.request.prompt_ids) for vector in vectors) == 16
    assert {vector.request.temperature > 0 for vector in vectors} == {True, False}
    # Weights that give the same token every time would prove little.
    assert len({token for vector in vectors for token in vector.ids}) > 8


def test_check_vectors_one_flipped_bit_in_any_weight_matrix_is_refused(
    package: Path,
) -> None:
    header, data = read_header(package / WEIGHTS)
    rng = np.random.default_rng(3)
    for name, entry in header.items():
        if not name.endswith((".weight", ".multiplier", "norm1.shift")):
            continue
        begin, end = entry["data_offsets"]
        spoilt = bytearray(data)
        # The second highest bit of a value: one that stays in its range.
        step = 4 if entry["dtype"] == "I32" else 1
        place = begin + int(rng.integers((end - begin) // step)) * step + step - 1
        spoilt[place] ^= 0x40 if step == 1 and not name.endswith("shift") else 1
        write_with_header(package / WEIGHTS, header, bytes(spoilt))

        with pytest.raises((VectorMismatch, ModelPackageError)):
            check(package)


def test_check_vectors_wrong_logits_names_the_vector(package: Path) -> None:
    tensors = load_file(package / WEIGHTS)
    tensors["head.bias"] = tensors["head.bias"] + np.int32(1)
    save_file(tensors, package / WEIGHTS)

    with pytest.raises(VectorMismatch, match="must not serve") as caught:
        check(package)

    assert caught.value.field == f"{VECTORS} greedy after one token"
    assert caught.value.value == "logits 0"


def test_check_vectors_wrong_token_names_it(package: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        ids = content["vectors"][3]["ids"]
        ids[2] = (ids[2] + 1) % 256

    change_json(package / VECTORS, change)

    with pytest.raises(VectorMismatch) as caught:
        check(package)

    assert caught.value.field == f"{VECTORS} sampled with top-k"
    assert caught.value.value == "token 2"


def _first(content: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = content["vectors"][0]
    return entry


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.clear(),
        lambda content: content.update(extra=1),
        lambda content: content.update(vectors={}),
        lambda content: content.update(vectors=[]),
        lambda content: content.update(vectors=[7]),
        lambda content: content["vectors"].extend(
            content["vectors"] * (MAX_VECTORS // 5)
        ),
        lambda content: _first(content).pop("seed"),
        lambda content: _first(content).update(note=""),
        lambda content: _first(content).update(name=1),
        lambda content: _first(content).update(promptIds="abc"),
        lambda content: _first(content).update(promptIds=[]),
        lambda content: _first(content).update(promptIds=[256]),
        lambda content: _first(content).update(promptIds=[[1]]),
        lambda content: _first(content).update(promptIds=[1] * 20),
        lambda content: _first(content).update(ids=[], logits=[]),
        lambda content: _first(content)["ids"].pop(),
        lambda content: _first(content).update(ids={"a": 1}),
        lambda content: _first(content)["logits"].__setitem__(0, "zz" * 32),
        lambda content: _first(content)["logits"].__setitem__(0, 7),
        lambda content: _first(content).update(seed=2**64),
        lambda content: _first(content).update(temperature=-1),
        lambda content: _first(content).update(topP=0),
        lambda content: _first(content).update(topK=1.5),
    ],
)
def test_read_vectors_malformed_raises(
    package: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    change_json(package / VECTORS, change)

    with pytest.raises(ModelPackageError) as caught:
        read_vectors(package, small_shape().limits)

    assert caught.value.field.startswith(VECTORS)


def test_read_vectors_as_written_are_plain_json(package: Path) -> None:
    content = json.loads((package / VECTORS).read_text())

    assert len(content["vectors"]) == len(read_vectors(package, small_shape().limits))
