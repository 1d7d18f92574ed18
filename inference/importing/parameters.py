"""The parameters of a float checkpoint, in the order in which they are applied."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from inference.checkpoints.checkpoint import Checkpoint, CheckpointShape
from inference.engines.float_engine import finite_weights

Observe = Callable[[str, Tensor], None]

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
class FloatModel:
    """A whole GPT-2 in float32.

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

    def activation(self, x: Tensor) -> Tensor:
        """The function between the two products of an MLP."""
        return _ACTIVATIONS[self.shape.activation](x)


def read_parameters(checkpoint: Checkpoint) -> FloatModel:
    """Reads the weights of a checked checkpoint.

    Raises:
        ModelPackageError: A weight is NaN or infinite.
    """
    weights = finite_weights(checkpoint)

    def norm(name: str) -> Norm:
        return Norm(weights[f"{name}.weight"], weights[f"{name}.bias"])

    def linear(name: str) -> Linear:
        # The checkpoint's rows are terms.
        return Linear(weights[f"{name}.weight"].T, weights[f"{name}.bias"])

    blocks = tuple(
        LayerParameters(
            norm1=norm(f"transformer.h.{layer}.ln_1"),
            qkv=linear(f"transformer.h.{layer}.attn.c_attn"),
            proj=linear(f"transformer.h.{layer}.attn.c_proj"),
            norm2=norm(f"transformer.h.{layer}.ln_2"),
            fc=linear(f"transformer.h.{layer}.mlp.c_fc"),
            out=linear(f"transformer.h.{layer}.mlp.c_proj"),
        )
        for layer in range(checkpoint.shape.layers)
    )
    return FloatModel(
        shape=checkpoint.shape,
        token=weights["transformer.wte.weight"],
        position=weights["transformer.wpe.weight"],
        blocks=blocks,
        final=norm("transformer.ln_f"),
    )


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


def forward(
    model: FloatModel, ids: Tensor, observe: Observe = lambda name, values: None
) -> Tensor:
    """Runs all layers and returns the rows that the head reads.

    Args:
        model: The model.
        ids: Shape (texts, positions).
        observe: Is told what every operation gives, by its name in a trace; norms
            before their gain and bias, `residual` wherever the stream is read.
    """
    epsilon = model.shape.norm_epsilon
    x = model.token[ids] + model.position[: ids.shape[1]]
    for number, block in enumerate(model.blocks):
        name = f"layers.{number}"
        observe("residual", x)
        y = standardise(x, epsilon)
        observe(f"{name}.norm1", y)
        qkv = apply(block.qkv, apply_norm(block.norm1, y))
        observe(f"{name}.qkv", qkv)
        mixed = attend(qkv, model.shape.heads)
        observe(f"{name}.mixed", mixed)
        x = x + apply(block.proj, mixed)
        observe("residual", x)
        y = standardise(x, epsilon)
        observe(f"{name}.norm2", y)
        inner = apply(block.fc, apply_norm(block.norm2, y))
        observe(f"{name}.fc", inner)
        active = model.activation(inner)
        observe(f"{name}.activation", active)
        x = x + apply(block.out, active)
    observe("residual", x)
    y = standardise(x, epsilon)
    observe("final", y)
    return apply_norm(model.final, y)


def apply(linear: Linear, x: Tensor) -> Tensor:
    """Returns the product for rows `x`, with its bias."""
    return torch.nn.functional.linear(x, linear.weight, linear.bias)


def apply_norm(norm: Norm, y: Tensor) -> Tensor:
    """Returns standardised rows with gain and bias."""
    return y * norm.gain + norm.bias
