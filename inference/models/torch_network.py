"""What any family's layers in PyTorch are made from, and what they offer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.models.integer_model import Int32Array, Piece
from inference.models.torch_operations import Product
from inference.profiles import Profile

Tensors = Callable[[str], NDArray[Any]]
"""Gives a tensor of a package by its name."""

Trace = dict[str, Int32Array]


@dataclass(slots=True)
class Cache:
    """Keys and values of one sequence, int16.

    Attributes:
        keys: Shape (layers, heads, capacity, head width).
        values: Like `keys`.
        length: Positions that were fed.
    """

    keys: Tensor
    values: Tensor
    length: int = 0

    @property
    def capacity(self) -> int:
        """Positions that it has room for."""
        return self.keys.shape[2]


Fed = Sequence[tuple[Piece, Cache]]
"""Pieces to feed, each with the cache of its sequence."""


class TorchNetwork(Protocol):
    """All layers of one model."""

    def feed(self, fed: Fed, trace: Trace | None) -> Tensor:
        """Runs all layers and fills the caches, but leaves their lengths alone.

        Args:
            fed: Pieces and caches.
            trace: Where to put the operations of the last row, if anywhere.

        Returns:
            What the head reads after each piece's last token, shape (pieces, width).
        """

    def logits(self, rows: Tensor) -> Tensor:
        """Shape (rows, width) to (rows, vocabulary), in Q16."""


@dataclass(frozen=True, slots=True)
class Loader:
    """Brings the tensors of a package to a device.

    Attributes:
        tensors: Gives a tensor by its name; called once for each.
        profile: The arithmetic.
        device: Where to compute.
    """

    tensors: Tensors
    profile: Profile
    device: torch.device

    def tensor(self, name: str) -> Tensor:
        """Returns a copy on the device; PyTorch computes with few unsigned types."""
        values = self.tensors(name)
        wide = values.astype(np.int64) if values.dtype == np.uint32 else values
        return torch.from_numpy(np.array(wide)).to(self.device)

    def shift(self, name: str) -> Tensor:
        """Returns bits to shift by, as int64."""
        return self.tensor(name).to(torch.int64)

    def product(self, name: str) -> Product:
        """Returns a matrix product from its three tensors."""
        weight, multiplier, bias = (
            self.tensors(f"{name}.{part}") for part in ("weight", "multiplier", "bias")
        )
        return Product(self.profile, weight, multiplier, bias, self.device)


def record(
    trace: Trace | None, name: str, values: Tensor, *, by_head: bool = False
) -> None:
    """Keeps the last row of an operation, if a trace is wanted.

    Args:
        trace: Where to.
        name: The operation.
        values: Shape (rows, channels), or (heads, rows, positions) if `by_head`.
        by_head: Whether heads come before rows.
    """
    if trace is not None:
        last = values[:, -1] if by_head else values[-1]
        trace[name] = last.to(torch.int32).cpu().flatten().numpy().copy()
