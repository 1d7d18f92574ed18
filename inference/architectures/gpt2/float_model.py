"""GPT-2 in float32: its parameters in the order in which they are applied.

`FloatGpt2` is written out so that every operation can be watched; the float engine runs
the model of the transformers library, on the same weights.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from inference.models.layout import CheckpointShape
from inference.quantising.models import Observe, observe_nothing

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(functional.gelu, approximate="tanh"),
    "gelu": functional.gelu,
    "relu": functional.relu,
}


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix product and what is added to it.

    Attributes:
        weight: Shape (outputs, terms).
        bias: Shape (outputs,).
    """

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class Norm:
    """Gain and bias of a layer norm, shape (width,) each."""

    gain: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class LayerParameters:
    """The parameters of one layer."""

    norm1: Norm
    qkv: Linear
    proj: Linear
    norm2: Norm
    fc: Linear
    out: Linear


@dataclass(frozen=True, slots=True)
class FloatGpt2:
    """A `FloatModel`: a whole GPT-2 in float32.

    Attributes:
        shape: What the checkpoint's configuration says.
        token: Token embedding, shape (vocabulary, width); also the head's weights.
        position: Position embedding, shape (context, width).
        blocks: The layers.
        final: The last layer norm.
    """

    shape: CheckpointShape
    token: Tensor
    position: Tensor
    blocks: tuple[LayerParameters, ...]
    final: Norm

    @classmethod
    def of_weights(cls, shape: CheckpointShape, weights: Mapping[str, Tensor]) -> Self:
        """Sorts the parameters of a checkpoint.

        Args:
            shape: What the configuration says.
            weights: By the names that `shape.tensors` gives.
        """

        def norm(name: str) -> Norm:
            return Norm(weights[f"{name}.weight"], weights[f"{name}.bias"])

        def linear(name: str) -> Linear:
            # The checkpoint's rows are terms.
            return Linear(weights[f"{name}.weight"].T, weights[f"{name}.bias"])

        blocks = tuple(
            LayerParameters(
                norm1=norm(f"h.{layer}.ln_1"),
                qkv=linear(f"h.{layer}.attn.c_attn"),
                proj=linear(f"h.{layer}.attn.c_proj"),
                norm2=norm(f"h.{layer}.ln_2"),
                fc=linear(f"h.{layer}.mlp.c_fc"),
                out=linear(f"h.{layer}.mlp.c_proj"),
            )
            for layer in range(shape.layers)
        )
        token, position = weights["wte.weight"], weights["wpe.weight"]
        return cls(shape, token, position, blocks, norm("ln_f"))

    def activation(self, x: Tensor) -> Tensor:
        """The function between the two products of an MLP."""
        return _ACTIVATIONS[self.shape.activation](x)

    def forward(self, ids: Tensor, observe: Observe = observe_nothing) -> Tensor:
        """Runs all layers: shape (texts, positions) to (texts, positions, width)."""
        x = self.token[ids] + self.position[: ids.shape[1]]
        for number, block in enumerate(self.blocks):
            x = self._run_block(f"layers.{number}", block, x, observe)
        observe("residual", x)
        y = standardise(x, self.shape.norm_epsilon)
        observe("final", y)
        return apply_norm(self.final, y)

    def logits(self, rows: Tensor) -> Tensor:
        """Shape (rows, width) to (rows, vocabulary)."""
        return rows @ self.token.T

    def _run_block(
        self, name: str, block: LayerParameters, x: Tensor, observe: Observe
    ) -> Tensor:
        epsilon = self.shape.norm_epsilon
        observe("residual", x)
        y = standardise(x, epsilon)
        observe(f"{name}.norm1", y)
        qkv = apply(block.qkv, apply_norm(block.norm1, y))
        observe(f"{name}.qkv", qkv)
        mixed = attend(qkv, self.shape.heads)
        observe(f"{name}.mixed", mixed)
        x = x + apply(block.proj, mixed)
        observe("residual", x)
        y = standardise(x, epsilon)
        observe(f"{name}.norm2", y)
        inner = apply(block.fc, apply_norm(block.norm2, y))
        observe(f"{name}.fc", inner)
        active = self.activation(inner)
        observe(f"{name}.activation", active)
        return x + apply(block.out, active)


def transformers_model(shape: CheckpointShape, weights: Mapping[str, Tensor]) -> Any:
    """Makes the library's GPT-2 from checked fields, never from the raw configuration.

    Args:
        shape: What the configuration says.
        weights: By the names that `shape.tensors` gives.

    Returns:
        A `transformers.GPT2LMHeadModel` in evaluation mode.
    """
    from transformers import GPT2Config, GPT2LMHeadModel
    from transformers.utils import logging as transformers_logging

    attention: dict[str, Any] = {"attn_implementation": "sdpa"}
    config = GPT2Config(
        vocab_size=shape.vocab_size,
        n_positions=shape.context_length,
        n_embd=shape.width,
        n_inner=shape.inner_width,
        n_layer=shape.layers,
        n_head=shape.heads,
        activation_function=shape.activation,
        layer_norm_epsilon=shape.norm_epsilon,
        bos_token_id=shape.end_of_text,
        eos_token_id=shape.end_of_text,
        dtype=torch.float32,
        **attention,
    )
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    named = {f"{shape.PREFIX}{name}": tensor for name, tensor in weights.items()}
    arguments: dict[str, Any] = {"config": config, "state_dict": named}
    model = GPT2LMHeadModel.from_pretrained(None, **arguments)
    model.train(False)
    return model


def standardise(x: Tensor, epsilon: float) -> Tensor:
    """Returns rows of mean 0 and deviation 1: a layer norm without gain and bias."""
    return functional.layer_norm(x, x.shape[-1:], eps=epsilon)


def split_heads(rows: Tensor, heads: int) -> Tensor:
    """Shape (texts, positions, width) to (texts, heads, positions, head width)."""
    texts, positions, _ = rows.shape
    return rows.reshape(texts, positions, heads, -1).transpose(1, 2)


def attend(qkv: Tensor, heads: int) -> Tensor:
    """Causal attention; shape (texts, positions, 3 width) to (…, width)."""
    q, k, v = (split_heads(part, heads) for part in qkv.chunk(3, dim=-1))
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return mixed.transpose(1, 2).flatten(2)


def apply(linear: Linear, x: Tensor) -> Tensor:
    """Returns the product for rows `x`, with its bias."""
    return functional.linear(x, linear.weight, linear.bias)


def apply_norm(norm: Norm, y: Tensor) -> Tensor:
    """Returns standardised rows with gain and bias."""
    return y * norm.gain + norm.bias
