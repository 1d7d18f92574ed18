"""Integer packages: what is accepted, and every way one can be broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from inference.errors import ModelPackageError
from inference.packages.package import PACKAGE_FILES, read_package, write_package
from inference.packages.weights_root import weights_root
from inference.profiles import PROFILES
from tests.support.models.packages import (
    SEED,
    change_json,
    read_header,
    small_shape,
    write_random_package,
    write_with_header,
)
from tests.support.models.random_models import random_tensors
from tests.support.models.tokenizers import byte_tokenizer

WEIGHTS = "model.safetensors"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_read_package_as_written_gives_back_shape_and_tensors(
    tmp_path: Path, profile: Any
) -> None:
    shape = write_random_package(tmp_path, small_shape(profile), with_vectors=False)
    tensors = random_tensors(shape, SEED)

    package = read_package(tmp_path)

    assert package.shape == shape
    for layout in shape.tensors():
        loaded = package.load_tensor(layout.name)
        assert loaded.dtype == tensors(layout.name).dtype
        assert np.array_equal(loaded, tensors(layout.name))


def test_write_package_weights_are_readable_by_the_safetensors_library(
    sound: Path,
) -> None:
    stored = load_file(sound / WEIGHTS)

    assert set(stored) == {layout.name for layout in small_shape().tensors()}


def test_read_package_written_by_the_safetensors_library_is_accepted(
    package: Path,
) -> None:
    root = read_package(package).weights_root()

    save_file(load_file(package / WEIGHTS), package / WEIGHTS)

    assert read_package(package).weights_root() == root


def test_write_package_tensor_of_another_type_raises(tmp_path: Path) -> None:
    shape = small_shape()

    with pytest.raises(ValueError, match=r"float64 .* not"):
        write_package(
            tmp_path,
            shape,
            lambda name: np.zeros((2, 2)),
            tokenizer=byte_tokenizer(),
        )


@pytest.mark.parametrize("name", PACKAGE_FILES)
def test_read_package_file_missing_names_it(package: Path, name: str) -> None:
    (package / name).unlink()

    with pytest.raises(ModelPackageError, match="no such file") as caught:
        read_package(package)

    assert caught.value.field == name


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("config.json", 2**12 + 1),
        ("tokenizer.json", 2**25 + 1),
        ("vectors.json", 2**20 + 1),
        ("README.md", 2**20 + 1),
        (WEIGHTS, 2**33 + 1),
    ],
)
def test_read_package_file_too_large_raises(
    package: Path, name: str, size: int
) -> None:
    os.truncate(package / name, size)  # sparse: takes no room on the disk

    with pytest.raises(ModelPackageError, match="larger than") as caught:
        read_package(package)

    assert caught.value.field == name


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 4_000, b"NaN"])
def test_read_package_config_not_an_object_raises(
    package: Path, content: bytes
) -> None:
    (package / "config.json").write_bytes(content)

    with pytest.raises(ModelPackageError) as caught:
        read_package(package)

    assert caught.value.field == "config.json"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arithmetic", 2),
        ("arithmetic", "1"),
        ("format", "gpt2"),
        ("format", ["assay-gpt2"]),
        ("profile", "float-dev"),
        ("profile", ["int-w8b8"]),
        ("vocabSize", 0),
        ("vocabSize", 65_537),
        ("vocabSize", 256.0),
        ("vocabSize", True),
        ("contextLength", 1_025),
        ("width", 2_048),
        ("innerWidth", 8_193),
        ("layers", 97),
        ("layers", 10**30),
        ("heads", 3),
        ("heads", -1),
        ("heads", None),
        ("epsilon", -1),
        ("epsilon", 2**30),
        ("endOfText", 256),
        ("endOfText", "0"),
    ],
)
def test_read_package_config_value_unusable_names_field_and_value(
    package: Path, name: str, value: object
) -> None:
    change_json(package / "config.json", lambda config: config.update({name: value}))

    with pytest.raises(ModelPackageError) as caught:
        read_package(package)

    assert caught.value.field == f"config.json {name}"
    assert caught.value.value == value


def test_read_package_head_too_wide_raises(package: Path) -> None:
    change_json(
        package / "config.json", lambda config: config.update(width=258, heads=2)
    )

    with pytest.raises(ModelPackageError, match="heads of at most 128"):
        read_package(package)


@pytest.mark.parametrize("name", ["dtype", "auto_map"])
def test_read_package_config_field_unknown_raises(package: Path, name: str) -> None:
    change_json(package / "config.json", lambda config: config.update({name: 1}))

    with pytest.raises(ModelPackageError, match="unknown field"):
        read_package(package)


def test_read_package_config_field_missing_raises(package: Path) -> None:
    change_json(package / "config.json", lambda config: config.pop("endOfText"))

    with pytest.raises(ModelPackageError, match="endOfText"):
        read_package(package)


def test_read_package_tokenizer_of_another_vocabulary_raises(package: Path) -> None:
    change_json(
        package / "tokenizer.json",
        lambda content: content["model"]["vocab"].popitem(),
    )

    with pytest.raises(ModelPackageError, match="not exactly 0 to 255"):
        read_package(package)


def _add_empty(header: dict[str, Any]) -> None:
    end = max(entry["data_offsets"][1] for entry in header.values())
    header["extra"] = {"dtype": "U8", "shape": [0], "data_offsets": [end, end]}


def _overlap(header: dict[str, Any]) -> None:
    header["layers.0.norm1.shift"]["data_offsets"] = header["layers.0.norm2.shift"][
        "data_offsets"
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop("final.shift"),
        lambda header: header.update({"final.gain": header.pop("final.shift")}),
        _add_empty,
        lambda header: header.update(__metadata__={"format": "pt"}),
        lambda header: header["layers.0.fc.weight"]["shape"].reverse(),
        lambda header: header["layers.0.fc.weight"].update(dtype="U8"),
        lambda header: header["layers.0.fc.weight"].update(dtype="F16"),
        lambda header: header["layers.0.fc.weight"].update(dtype=["I8"]),
        lambda header: header["final.shift"].update(shape=[-16]),
        lambda header: header["final.shift"].update(shape=[2**62, 2**62]),
        _overlap,
        lambda header: header["final.shift"]["data_offsets"].append(0),
        lambda header: header.update({"final.shift": 7}),
    ],
)
def test_read_package_header_wrong_raises(
    package: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    header, data = read_header(package / WEIGHTS)
    change(header)
    write_with_header(package / WEIGHTS, header, data)

    with pytest.raises(ModelPackageError):
        read_package(package)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x07", b"\xff" * 64, b"\x02" + bytes(7) + b"[]", b"\x80\x04pickle" * 20],
)
def test_read_package_weights_not_safetensors_raises(
    package: Path, content: bytes
) -> None:
    (package / WEIGHTS).write_bytes(content)

    with pytest.raises(ModelPackageError, match="not a valid safetensors file"):
        read_package(package)


@pytest.mark.parametrize("change", [-1, 1])
def test_read_package_weights_of_another_length_raises(
    package: Path, change: int
) -> None:
    path = package / WEIGHTS
    os.truncate(path, path.stat().st_size + change)

    with pytest.raises(ModelPackageError, match="the header describes"):
        read_package(package)


def test_load_tensor_file_cut_off_since_raises(package: Path) -> None:
    loaded = read_package(package)
    os.truncate(package / WEIGHTS, 4_096)

    with pytest.raises(ModelPackageError, match="cut off"):
        loaded.weights_root()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers.0.qkv.weight", -128),
        ("layers.1.out.multiplier", -1),
        ("head.bias", 2**30),
        ("final.shift", 13),
        ("token_shift", 15),
        ("token_embedding", -32_768),
        ("position_embedding", -(2**30)),
        ("layers.0.sharpness", 0),
        ("layers.0.activation", -32_768),
    ],
)
def test_load_tensor_value_out_of_range_names_tensor_and_value(
    package: Path, name: str, value: int
) -> None:
    tensors = load_file(package / WEIGHTS)
    tensors[name].flat[3 % tensors[name].size] = value
    save_file(tensors, package / WEIGHTS)

    with pytest.raises(ModelPackageError) as caught:
        read_package(package).load_tensor(name)

    assert caught.value.field == f"{WEIGHTS} {name}"
    assert caught.value.value == value


def test_weights_root_one_flipped_bit_in_any_tensor_changes_it(package: Path) -> None:
    sound = read_package(package).weights_root()
    header, data = read_header(package / WEIGHTS)
    roots = set()
    for place, entry in enumerate(header.values()):
        begin, end = entry["data_offsets"]
        spoilt = bytearray(data)
        # The lowest bit, so that the value stays in range but for a rare few.
        width = 4 if entry["dtype"].endswith("32") else 1
        spoilt[begin + (place * 37 % (end - begin)) // width * width] ^= 1
        write_with_header(package / WEIGHTS, header, bytes(spoilt))
        try:
            roots.add(read_package(package).weights_root())
        except ModelPackageError as error:
            roots.add(str(error).encode())

    assert sound not in roots
    assert len(roots) == len(header)


def test_weights_root_after_loading_is_that_of_what_was_loaded(package: Path) -> None:
    loaded = read_package(package)
    tensors = {
        layout.name: loaded.load_tensor(layout.name)
        for layout in loaded.shape.tensors()
    }
    (package / WEIGHTS).unlink()

    assert loaded.weights_root() == weights_root(tensors.items())


def test_config_of_a_package_holds_integers_and_strings_only(package: Path) -> None:
    config = json.loads((package / "config.json").read_text())

    assert {type(value) for value in config.values()} <= {int, str, type(None)}
