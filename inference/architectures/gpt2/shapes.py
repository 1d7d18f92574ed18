"""GPT-2 by its names and shapes: the checkpoint's, the package's and the trace's.

Source: the Hugging Face format, and `docs/spec/arithmetic.md` §9 and §10.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from inference.model_folder import Config
from inference.models import layout as bounds
from inference.models.layout import (
    CheckpointShape,
    Clamp,
    IntegerShape,
    Storage,
    TensorLayout,
)

_ACTIVATIONS: Final = ("gelu_new", "gelu_pytorch_tanh", "gelu", "relu")

# Anything else would silently compute something other than a plain GPT-2.
_REQUIRED_SETTINGS: Final[dict[str, object]] = {
    "tie_word_embeddings": True,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "reorder_and_upcast_attn": False,
    "add_cross_attention": False,
}


@dataclass(frozen=True, slots=True)
class CheckpointGpt2(CheckpointShape):
    """The shape of a float GPT-2, by the names of its checkpoint."""

    MODEL_TYPE: ClassVar = "gpt2"
    PREFIX: ClassVar = "transformer."
    # Tied to the embedding; some checkpoints store the copy.
    COPIES: ClassVar = {"lm_head.weight": "wte.weight"}
    # The causal mask, which old checkpoints store although it is no parameter.
    IGNORED: ClassVar = (".attn.bias", ".attn.masked_bias")

    @classmethod
    def read(cls, config: Config) -> Self:
        """Reads the fields that it knows and leaves all others alone.

        Raises:
            ModelPackageError: They are not those of a plain GPT-2.
        """
        for name, expected in _REQUIRED_SETTINGS.items():
            value = config.values.get(name, expected)
            if value is not expected and value != expected:
                raise config.error(name, value, f"only {expected!r} is supported")
        width = config.integer("n_embd", 1, 2**14)
        heads = config.integer("n_head", 1, width)
        if width % heads:
            raise config.error("n_head", heads, f"does not divide n_embd {width}")
        vocab_size = config.integer("vocab_size", 1, 2**20)
        inner_width = 4 * width
        if config.values.get("n_inner") is not None:
            inner_width = config.integer("n_inner", 1, 2**17)
        return cls(
            vocab_size=vocab_size,
            context_length=config.integer("n_positions", 2, 2**16),
            width=width,
            inner_width=inner_width,
            layers=config.integer("n_layer", 1, 256),
            heads=heads,
            activation=_activation(config),
            norm_epsilon=_epsilon(config),
            end_of_text=config.token_id("eos_token_id", vocab_size),
        )

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

    def bounded(self) -> Iterator[tuple[str, int, int]]:
        """Yields each field that the arithmetic bounds: name, value, maximum."""
        yield "vocab_size", self.vocab_size, bounds.MAX_VOCAB
        yield "n_positions", self.context_length, bounds.MAX_CONTEXT
        yield "n_embd", self.width, bounds.MAX_WIDTH
        yield "n_inner", self.inner_width, bounds.MAX_INNER_WIDTH
        yield "n_layer", self.layers, bounds.MAX_LAYERS
        yield "n_embd / n_head", self.head_width, bounds.MAX_HEAD_WIDTH


@dataclass(frozen=True, slots=True)
class IntegerGpt2(IntegerShape):
    """The shape of an integer GPT-2, by the names of its package and its traces."""

    FORMAT: ClassVar = "assay-gpt2"
    FAMILY: ClassVar = "GPT-2"

    def products(self) -> Iterator[tuple[str, int, int]]:
        """Yields name, outputs and terms of every matrix product."""
        width, inner = self.width, self.inner_width
        for layer in range(self.layers):
            yield f"layers.{layer}.qkv", 3 * width, width
            yield f"layers.{layer}.proj", width, width
            yield f"layers.{layer}.fc", inner, width
            yield f"layers.{layer}.out", width, inner
        yield "head", self.vocab_size, width

    def tensors(self) -> Iterator[TensorLayout]:
        """Yields the layout of every tensor of a package."""
        width, vocab, context = self.width, self.vocab_size, self.context_length
        yield _signed("token_embedding", "I16", (vocab, width), bounds.VALUE_LIMIT)
        yield _shift("token_shift", width, bounds.MAX_TOKEN_SHIFT)
        yield _signed("position_embedding", "I32", (context, width), bounds.MAX_REST)
        for layer in range(self.layers):
            name = f"layers.{layer}"
            yield _shift(f"{name}.norm1.shift", width, bounds.MAX_NORM_SHIFT)
            yield _shift(f"{name}.norm2.shift", width, bounds.MAX_NORM_SHIFT)
            sharpness = 1, bounds.MAX_SHARPNESS
            yield TensorLayout(f"{name}.sharpness", "U32", (self.heads,), *sharpness)
            yield _signed(f"{name}.activation", "I16", (256, 256), bounds.VALUE_LIMIT)
        yield _shift("final.shift", width, bounds.MAX_NORM_SHIFT)
        for name, outputs, terms in self.products():
            yield from self._product_tensors(name, outputs, terms)

    def operations(self, keys: int) -> Iterator[tuple[str, int]]:
        """Yields name and number of values of every operation of a trace, in order.

        Args:
            keys: Positions that the traced one attends to.
        """
        width, inner, pairs = self.width, self.inner_width, self.heads * keys
        layer = {
            "norm1": width,
            "qkv": 3 * width,
            "scores": pairs,
            "weights": pairs,
            "mixed": width,
            "proj": width,
            "norm2": width,
            "fc": inner,
            "activation": inner,
            "out": width,
        }
        yield "embed", width
        for number in range(self.layers):
            for name, length in layer.items():
                yield f"{number}.{name}", length
        yield "final", width
        yield "head", self.vocab_size

    def clamps(self, name: str) -> tuple[Clamp, ...]:
        """Returns where an operation of a trace clamps its values, if anywhere."""
        operation = name.rpartition(".")[2]
        if operation == "qkv":
            cut = 2 * self.width
            return (
                Clamp("queries and keys", bounds.KEY_LIMIT, 0, cut),
                Clamp("values", bounds.VALUE_LIMIT, cut),
            )
        return _CLAMPS.get(operation, ())

    def _product_tensors(
        self, name: str, outputs: int, terms: int
    ) -> Iterator[TensorLayout]:
        storage: Storage = "I8" if self.profile.weight_bytes == 1 else "I16"
        limit = self.profile.weight_limit
        yield _signed(f"{name}.weight", storage, (outputs, terms), limit)
        yield TensorLayout(
            f"{name}.multiplier", "I32", (outputs,), 0, bounds.MAX_MULTIPLIER
        )
        yield _signed(f"{name}.bias", "I32", (outputs,), bounds.MAX_REST)


_RESIDUAL: Final = (Clamp("residual", bounds.MAX_REST),)
_NORM: Final = (Clamp("norm", bounds.VALUE_LIMIT),)
_CLAMPS: Final = {
    "embed": _RESIDUAL,
    "norm1": _NORM,
    "proj": _RESIDUAL,
    "norm2": _NORM,
    "fc": (Clamp("hidden", bounds.VALUE_LIMIT),),
    "out": _RESIDUAL,
    "final": _NORM,
    "head": (Clamp("logits", bounds.MAX_HEAD_VALUE << bounds.LOGIT_SHIFT),),
}


def _shift(name: str, channels: int, maximum: int) -> TensorLayout:
    return TensorLayout(name, "U8", (channels,), 0, maximum)


def _signed(
    name: str, storage: Storage, shape: tuple[int, ...], limit: int
) -> TensorLayout:
    return TensorLayout(name, storage, shape, -limit, limit)


def _activation(config: Config) -> str:
    name = config.values.get("activation_function", "gelu_new")
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        problem = f"not one of {', '.join(_ACTIVATIONS)}"
        raise config.error("activation_function", name, problem)
    return name


def _epsilon(config: Config) -> float:
    value = config.values.get("layer_norm_epsilon", 1e-5)
    if not isinstance(value, float) or not 0 < value < 1:
        problem = "not a number between 0 and 1"
        raise config.error("layer_norm_epsilon", value, problem)
    return value
