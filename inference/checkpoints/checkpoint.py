"""Checkpoints: a folder with a float GPT-2 in Hugging Face format, checked first.

A checkpoint holds `config.json`, `tokenizer.json` and `model.safetensors`. It is what
import makes packages of and what the float engine runs. Nothing in it is trusted:
sizes are capped before a file is read, only known fields of the configuration are
used, and every tensor must be there with the shape the configuration implies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.checkpoints.model_folder import (
    CONFIG_FILE,
    MAX_TOKENIZER_BYTES,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    check_tokenizer,
    read_json_object,
    require_file,
)
from inference.engine import ModelLimits
from inference.errors import ModelPackageError

BUNDLED_CHECKPOINT: Final = Path(__file__).parents[1] / "bundled" / "austen"
"""Folder of the float checkpoint that the bundled model was imported from."""

_MAX_BYTES: Final = {
    CONFIG_FILE: 64 * 2**10,
    TOKENIZER_FILE: MAX_TOKENIZER_BYTES,
    WEIGHTS_FILE: 8 * 2**30,
}
_DTYPES: Final = ("F16", "BF16", "F32")
_ACTIVATIONS: Final = ("gelu_new", "gelu_pytorch_tanh", "gelu", "relu")

# Anything else would silently compute something other than a plain GPT-2.
_REQUIRED_SETTINGS: Final[dict[str, object]] = {
    "model_type": "gpt2",
    "tie_word_embeddings": True,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
}
# The causal mask, which old checkpoints store although it is no parameter.
_MASKS: Final = (".attn.bias", ".attn.masked_bias")


@dataclass(frozen=True, slots=True)
class CheckpointShape:
    """The fields of a GPT-2 configuration that decide its arithmetic.

    Attributes:
        vocab_size: Number of token ids.
        context_length: Number of positions.
        width: Size of the residual stream.
        inner_width: Size of the hidden layer of each MLP.
        layers: Number of blocks.
        heads: Attention heads per block; divides `width`.
        activation: Name of the MLP's activation function.
        norm_epsilon: Term that keeps layer normalisation finite.
        end_of_text: The id that ends a text, if any.
    """

    vocab_size: int
    context_length: int
    width: int
    inner_width: int
    layers: int
    heads: int
    activation: str
    norm_epsilon: float
    end_of_text: int | None

    @property
    def limits(self) -> ModelLimits:
        """What an engine with this model accepts."""
        return ModelLimits(self.vocab_size, self.context_length, self.end_of_text)

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yields name and shape of every parameter, without the common prefix."""
        width, inner = self.width, self.inner_width
        yield "wte.weight", (self.vocab_size, width)
        yield "wpe.weight", (self.context_length, width)
        for layer in range(self.layers):
            for norm in ("ln_1", "ln_2"):
                yield f"h.{layer}.{norm}.weight", (width,)
                yield f"h.{layer}.{norm}.bias", (width,)
            for name, rows, columns in (
                ("attn.c_attn", width, 3 * width),
                ("attn.c_proj", width, width),
                ("mlp.c_fc", width, inner),
                ("mlp.c_proj", inner, width),
            ):
                yield f"h.{layer}.{name}.weight", (rows, columns)
                yield f"h.{layer}.{name}.bias", (columns,)
        yield "ln_f.weight", (width,)
        yield "ln_f.bias", (width,)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint folder that passed every check short of reading its weights.

    Attributes:
        folder: Where the files are.
        shape: What the configuration says.
    """

    folder: Path
    shape: CheckpointShape

    @property
    def weights_path(self) -> Path:
        """The safetensors file."""
        return self.folder / WEIGHTS_FILE


def read_checkpoint(folder: Path) -> Checkpoint:
    """Checks a checkpoint folder and returns its description; loads no torch.

    Args:
        folder: A folder in Hugging Face format.

    Raises:
        ModelPackageError: A file is missing or too large, the configuration is not
            that of a plain GPT-2, the tokenizer does not fit the vocabulary, or a
            tensor is missing, unknown, or of the wrong shape or type.
    """
    for name, limit in _MAX_BYTES.items():
        require_file(folder / name, limit)
    shape = _read_shape(folder / CONFIG_FILE)
    check_tokenizer(folder / TOKENIZER_FILE, shape.vocab_size)
    _check_tensors(folder / WEIGHTS_FILE, shape)
    return Checkpoint(folder, shape)


def _read_shape(path: Path) -> CheckpointShape:
    config = read_json_object(path)
    for name, expected in _REQUIRED_SETTINGS.items():
        # Only the model type has no default in this format.
        value = config.get(name, None if name == "model_type" else expected)
        if value is not expected and value != expected:
            raise _config_error(name, value, f"only {expected!r} is supported")
    width = _integer(config, "n_embd", 1, 2**14)
    heads = _integer(config, "n_head", 1, width)
    if width % heads:
        raise _config_error("n_head", heads, f"does not divide n_embd {width}")
    vocab_size = _integer(config, "vocab_size", 1, 2**20)
    inner_width = 4 * width
    if config.get("n_inner") is not None:
        inner_width = _integer(config, "n_inner", 1, 2**17)
    activation = config.get("activation_function", "gelu_new")
    if activation not in _ACTIVATIONS:
        problem = f"not one of {', '.join(_ACTIVATIONS)}"
        raise _config_error("activation_function", activation, problem)
    end_of_text = None
    if config.get("eos_token_id") is not None:
        end_of_text = _integer(config, "eos_token_id", 0, vocab_size - 1)
    return CheckpointShape(
        vocab_size=vocab_size,
        context_length=_integer(config, "n_positions", 2, 2**16),
        width=width,
        inner_width=inner_width,
        layers=_integer(config, "n_layer", 1, 256),
        heads=heads,
        activation=activation,
        norm_epsilon=_epsilon(config),
        end_of_text=end_of_text,
    )


def _config_error(name: str, value: object, problem: str) -> ModelPackageError:
    return ModelPackageError(
        f"{CONFIG_FILE} {name}", value, problem, "use a plain GPT-2 checkpoint"
    )


def _integer(config: dict[str, Any], name: str, lowest: int, highest: int) -> int:
    value = config.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _config_error(name, value, "not an integer")
    if not lowest <= value <= highest:
        raise _config_error(name, value, f"not within {lowest} to {highest}")
    return value


def _epsilon(config: dict[str, Any]) -> float:
    value = config.get("layer_norm_epsilon", 1e-5)
    if not isinstance(value, float) or not 0 < value < 1:
        raise _config_error("layer_norm_epsilon", value, "not a number between 0 and 1")
    return value


def _check_tensors(path: Path, shape: CheckpointShape) -> None:
    found = dict(_stored_tensors(path))
    expected = dict(shape.tensors())
    # Tied to the embedding; some checkpoints store the copy.
    expected_or_copy = expected | {"lm_head.weight": expected["wte.weight"]}
    for name in expected:
        if name not in found:
            problem = "the file has no such tensor"
            raise _tensor_error(path, name, None, problem)
    for name, (dims, dtype) in found.items():
        if name.endswith(_MASKS):
            continue
        if name not in expected_or_copy:
            raise _tensor_error(path, name, dims, "not a tensor of this GPT-2")
        if dims != expected_or_copy[name]:
            problem = f"{CONFIG_FILE} implies the shape {expected_or_copy[name]}"
            raise _tensor_error(path, name, dims, problem)
        if dtype not in _DTYPES:
            problem = f"not stored as one of {', '.join(_DTYPES)}"
            raise _tensor_error(path, name, dtype, problem)


def _tensor_error(
    path: Path, name: str, value: object, problem: str
) -> ModelPackageError:
    return ModelPackageError(
        f"{path.name} {name}", value, problem, "use weights that fit the configuration"
    )


def _stored_tensors(path: Path) -> Iterator[tuple[str, tuple[tuple[int, ...], str]]]:
    from safetensors import SafetensorError, safe_open

    seen: set[str] = set()
    try:
        with safe_open(path, framework="numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 (no mapping)
                stored = weights.get_slice(name)
                dims = tuple(stored.get_shape())
                plain = name.removeprefix("transformer.")
                if plain in seen:
                    raise _tensor_error(path, plain, dims, "stored twice")
                seen.add(plain)
                yield plain, (dims, stored.get_dtype())
    except SafetensorError as error:
        raise ModelPackageError(
            path.name, str(error), "not a valid safetensors file", "fetch it again"
        ) from error
