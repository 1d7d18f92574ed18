"""Checkpoint folders: what is accepted, and every way one can be broken."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inference import load_float_engine, read_checkpoint
from inference.errors import InvalidSetting, InvalidThreads, ModelPackageError
from tests.support.models.checkpoints import rewrite_weights
from tests.unit.inference.conftest import (
    TINY_CONTEXT,
    TINY_END_OF_TEXT,
    TINY_VOCABULARY,
)

SetConfig = Callable[[str, Any], None]


def test_read_checkpoint_tiny_model_returns_shape(tiny_folder: Path) -> None:
    package = read_checkpoint(tiny_folder)

    assert package.shape.limits.vocab_size == 257
    assert package.shape.limits.context_length == TINY_CONTEXT
    assert package.shape.limits.end_of_text == TINY_END_OF_TEXT
    assert package.shape.inner_width == 4 * package.shape.width


def test_read_checkpoint_hub_style_tensor_names_are_accepted(
    spoilt_folder: Path,
) -> None:
    def as_on_the_hub(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            tensors[name.removeprefix("transformer.")] = tensors.pop(name)
        tensors["h.0.attn.bias"] = torch.ones(1, 1, TINY_CONTEXT, TINY_CONTEXT)
        tensors["lm_head.weight"] = tensors["wte.weight"].clone()

    before = load_float_engine(spoilt_folder, vocabulary=TINY_VOCABULARY)
    rewrite_weights(spoilt_folder, as_on_the_hub)
    after = load_float_engine(spoilt_folder, vocabulary=TINY_VOCABULARY)

    assert after.limits == before.limits


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_read_checkpoint_file_missing_names_it(spoilt_folder: Path, name: str) -> None:
    (spoilt_folder / name).unlink()

    with pytest.raises(ModelPackageError) as caught:
        read_checkpoint(spoilt_folder)

    assert caught.value.field == name


def test_read_checkpoint_no_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(ModelPackageError, match="no such file"):
        read_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("config.json", 2**17),
        ("tokenizer.json", 2**25 + 1),
        ("model.safetensors", 2**33 + 1),
    ],
)
def test_read_checkpoint_file_too_large_raises(
    spoilt_folder: Path, name: str, size: int
) -> None:
    os.truncate(spoilt_folder / name, size)  # sparse: takes no room on the disk

    with pytest.raises(ModelPackageError, match="larger than"):
        read_checkpoint(spoilt_folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 60_000])
def test_read_checkpoint_not_a_json_object_raises(
    spoilt_folder: Path, name: str, content: bytes
) -> None:
    (spoilt_folder / name).write_bytes(content)

    with pytest.raises(ModelPackageError) as caught:
        read_checkpoint(spoilt_folder)

    assert caught.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_type", "llama"),
        ("model_type", None),
        ("model_type", ["gpt2"]),
        ("tie_word_embeddings", False),
        ("scale_attn_weights", False),
        ("scale_attn_by_inverse_layer_idx", True),
        ("add_cross_attention", True),
        ("activation_function", "__import__"),
        ("activation_function", ["gelu"]),
        ("layer_norm_epsilon", 0.0),
        ("layer_norm_epsilon", "1e-5"),
        ("vocab_size", 0),
        ("vocab_size", 2**21),
        ("vocab_size", "257"),
        ("vocab_size", True),
        ("n_positions", None),
        ("n_positions", 2**20),
        ("n_layer", 10**9),
        ("n_layer", -1),
        ("n_head", 0),
        ("n_head", 3),
        ("n_embd", 2**40),
        ("n_inner", 0),
        ("eos_token_id", 257),
        ("eos_token_id", [256]),
    ],
)
def test_read_checkpoint_config_unusable_names_field_and_value(
    spoilt_folder: Path, set_config: SetConfig, name: str, value: object
) -> None:
    set_config(name, value)

    with pytest.raises(ModelPackageError) as caught:
        read_checkpoint(spoilt_folder)

    assert caught.value.field == f"config.json {name}"
    assert caught.value.value == value


def test_read_checkpoint_without_end_of_text_has_none(
    spoilt_folder: Path, set_config: SetConfig
) -> None:
    set_config("eos_token_id", None)

    assert read_checkpoint(spoilt_folder).shape.end_of_text is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("n_positions", 64), ("n_layer", 3), ("n_layer", 1), ("n_inner", 64)],
)
def test_read_checkpoint_config_of_other_shape_raises(
    spoilt_folder: Path, set_config: SetConfig, name: str, value: int
) -> None:
    set_config(name, value)

    with pytest.raises(ModelPackageError, match="use weights that fit"):
        read_checkpoint(spoilt_folder)


@pytest.mark.parametrize(
    "tokenizer",
    [
        {"model": {"vocab": {"a": 0}}},
        {"model": {"vocab": {str(n): n for n in range(258)}}},
        {"model": {"vocab": {str(n): n + 1 for n in range(257)}}},
        {"model": {"vocab": []}},
        {"model": {"vocab": {"a": []}}},
        {"added_tokens": []},
        {"model": {"vocab": {"a": 0}}, "added_tokens": [7]},
    ],
)
def test_read_checkpoint_tokenizer_does_not_fit_raises(
    spoilt_folder: Path, tokenizer: object
) -> None:
    (spoilt_folder / "tokenizer.json").write_text(json.dumps(tokenizer))

    with pytest.raises(ModelPackageError) as caught:
        read_checkpoint(spoilt_folder)

    assert caught.value.field == "tokenizer.json"


def _transpose(tensors: dict[str, torch.Tensor]) -> None:
    name = "transformer.h.0.mlp.c_fc.weight"
    tensors[name] = tensors[name].T.contiguous()


def _use_doubles(tensors: dict[str, torch.Tensor]) -> None:
    tensors["transformer.ln_f.bias"] = tensors["transformer.ln_f.bias"].double()


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        (
            lambda tensors: tensors.pop("transformer.h.1.mlp.c_fc.bias"),
            "h.1.mlp.c_fc.bias",
            "no such tensor",
        ),
        (_transpose, "h.0.mlp.c_fc.weight", r"implies the shape \(32, 128\)"),
        (
            lambda tensors: tensors.update({"h.2.payload": torch.zeros(3)}),
            "h.2.payload",
            "not a tensor of this model",
        ),
        (
            lambda tensors: tensors.update({"ln_f.bias": torch.zeros(5)}),
            "ln_f.bias",
            "stored twice",
        ),
        (_use_doubles, "ln_f.bias", "not stored as one of"),
    ],
)
def test_read_checkpoint_tensor_wrong_names_it(
    spoilt_folder: Path,
    change: Callable[[dict[str, torch.Tensor]], None],
    field: str,
    problem: str,
) -> None:
    rewrite_weights(spoilt_folder, change)

    with pytest.raises(ModelPackageError, match=problem) as caught:
        read_checkpoint(spoilt_folder)

    assert caught.value.field == f"model.safetensors {field}"


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x80\x04pickle" * 20])
def test_read_checkpoint_weights_not_safetensors_raises(
    spoilt_folder: Path, content: bytes
) -> None:
    (spoilt_folder / "model.safetensors").write_bytes(content)

    with pytest.raises(ModelPackageError, match="not a valid safetensors file"):
        read_checkpoint(spoilt_folder)


def test_read_checkpoint_weights_cut_off_raises(spoilt_folder: Path) -> None:
    path = spoilt_folder / "model.safetensors"
    os.truncate(path, path.stat().st_size - 1)

    with pytest.raises(ModelPackageError, match="not a valid safetensors file"):
        read_checkpoint(spoilt_folder)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), float("-inf")])
def test_load_float_engine_weight_not_finite_names_tensor(
    spoilt_folder: Path, poison: float
) -> None:
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        tensors["transformer.h.1.attn.c_proj.weight"][3, 5] = poison

    rewrite_weights(spoilt_folder, spoil)

    with pytest.raises(ModelPackageError, match="h.1.attn.c_proj.weight"):
        load_float_engine(spoilt_folder, vocabulary=TINY_VOCABULARY)


def test_load_float_engine_vocabulary_of_other_model_raises(tiny_folder: Path) -> None:
    with pytest.raises(InvalidSetting, match="257"):
        load_float_engine(tiny_folder, vocabulary=TINY_VOCABULARY[:-1])


@pytest.mark.parametrize("threads", [0, -1, 1000, True])
def test_load_float_engine_unusable_threads_raises(
    tiny_folder: Path, threads: int
) -> None:
    with pytest.raises(InvalidThreads):
        load_float_engine(
            tiny_folder,
            vocabulary=TINY_VOCABULARY,
            threads=threads,
        )
