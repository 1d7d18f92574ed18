"""The integer GPT-2 in PyTorch: `docs/spec/arithmetic.md` §4 to §7."""

from dataclasses import dataclass

import torch
from torch import Tensor

from inference.models.layout import (
    LOGIT_SHIFT,
    MAX_HEAD_VALUE,
    VALUE_LIMIT,
    IntegerShape,
)
from inference.models.torch_network import Fed, Loader, Trace, record
from inference.models.torch_operations import (
    Product,
    add_residual,
    attend,
    clamp,
    embed,
    normalise,
    split_heads,
)


@dataclass(frozen=True, slots=True)
class _Layer:
    """The parameters of one block, on the device."""

    norm1: Tensor
    qkv: Product
    sharpness: Tensor
    proj: Product
    norm2: Tensor
    fc: Product
    activation: Tensor
    out: Product


class Gpt2Network:
    """A `TorchNetwork`: all layers of an integer GPT-2."""

    def __init__(self, shape: IntegerShape, loader: Loader) -> None:
        """Loads the tensors."""
        self._shape = shape
        self._device = loader.device
        self._token = loader.tensor("token_embedding")
        self._token_shift = loader.shift("token_shift")
        self._position = loader.tensor("position_embedding")
        self._layers = [_layer(f"layers.{n}", loader) for n in range(shape.layers)]
        self._final = loader.shift("final.shift")
        self._head = loader.product("head")

    def feed(self, fed: Fed, trace: Trace | None) -> Tensor:
        """Runs all layers; returns what the head reads, shape (pieces, width)."""
        ids = [token for piece, _ in fed for token in piece.ids]
        places = [piece.start + n for piece, _ in fed for n in range(len(piece.ids))]
        token = self._token[torch.tensor(ids, device=self._device)]
        position = self._position[torch.tensor(places, device=self._device)]
        x = embed(token, self._token_shift, position)
        record(trace, "embed", x)
        for number, layer in enumerate(self._layers):
            x = self._block(number, layer, x, fed, trace)
        ends = torch.tensor([len(piece.ids) for piece, _ in fed]).cumsum(0)
        last = self._normalise(x[(ends - 1).to(self._device)], self._final)
        record(trace, "final", last)
        return last

    def logits(self, rows: Tensor) -> Tensor:
        """Shape (rows, width) to (rows, vocabulary), in Q16."""
        return clamp(self._head(rows), MAX_HEAD_VALUE) << LOGIT_SHIFT

    def _normalise(self, x: Tensor, shift: Tensor) -> Tensor:
        return normalise(x, self._shape.norm_fraction, shift, self._shape.epsilon)

    def _block(
        self, number: int, layer: _Layer, x: Tensor, fed: Fed, trace: Trace | None
    ) -> Tensor:
        """Residual rows to residual rows, shape (rows, width)."""
        row = self._normalise(x, layer.norm1)
        record(trace, f"{number}.norm1", row)
        mixed = self._attention(number, layer, row, fed, trace)
        x = add_residual(x, layer.proj(mixed))
        record(trace, f"{number}.proj", x)
        row = self._normalise(x, layer.norm2)
        record(trace, f"{number}.norm2", row)
        inner = clamp(layer.fc(row), VALUE_LIMIT)
        record(trace, f"{number}.fc", inner)
        active = layer.activation[inner + 32_768].to(torch.int64)
        record(trace, f"{number}.activation", active)
        x = add_residual(x, layer.out(active))
        record(trace, f"{number}.out", x)
        return x

    def _attention(
        self, number: int, layer: _Layer, row: Tensor, fed: Fed, trace: Trace | None
    ) -> Tensor:
        """Returns what attention mixes for every row, shape (rows, width)."""
        q, k, v = split_heads(layer.qkv(row), self._shape.heads)
        qkv = torch.cat([part.transpose(0, 1).flatten(1) for part in (q, k, v)], dim=1)
        record(trace, f"{number}.qkv", qkv)
        mixed, begin = [], 0
        for piece, cache in fed:
            rows = slice(begin, begin + len(piece.ids))
            end = piece.start + len(piece.ids)
            keys, values = cache.keys[number], cache.values[number]
            keys[:, piece.start : end] = k[:, rows].to(torch.int16)
            values[:, piece.start : end] = v[:, rows].to(torch.int16)
            scores, weights, part = attend(
                q[:, rows], keys[:, :end], values[:, :end], layer.sharpness, piece.start
            )
            record(trace, f"{number}.scores", scores, by_head=True)
            record(trace, f"{number}.weights", weights, by_head=True)
            mixed.append(part.transpose(0, 1).flatten(1))
            begin = rows.stop
        result = torch.cat(mixed)
        record(trace, f"{number}.mixed", result)
        return result


def _layer(name: str, loader: Loader) -> _Layer:
    return _Layer(
        norm1=loader.shift(f"{name}.norm1.shift"),
        qkv=loader.product(f"{name}.qkv"),
        sharpness=loader.tensor(f"{name}.sharpness"),
        proj=loader.product(f"{name}.proj"),
        norm2=loader.shift(f"{name}.norm2.shift"),
        fc=loader.product(f"{name}.fc"),
        activation=loader.tensor(f"{name}.activation").reshape(-1),
        out=loader.product(f"{name}.out"),
    )
