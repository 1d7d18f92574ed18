"""What quantising starts from and what it gives, for any family."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from inference.models.layout import CheckpointShape, IntegerShape

Observe = Callable[[str, Tensor], None]


def observe_nothing(name: str, values: Tensor) -> None:
    """Looks at no operation."""


class FloatModel(Protocol):
    """A float checkpoint in memory, whose operations can be watched."""

    @property
    def shape(self) -> CheckpointShape:
        """What the checkpoint's configuration says."""

    def forward(self, ids: Tensor, observe: Observe = observe_nothing) -> Tensor:
        """Runs all layers and returns the rows that the head reads.

        Args:
            ids: Shape (texts, positions).
            observe: Is told what every operation gives, by its name in a trace; norms
                before their gain and bias, `residual` wherever the stream is read.

        Returns:
            Shape (texts, positions, width).
        """

    def logits(self, rows: Tensor) -> Tensor:
        """Shape (rows, width) to (rows, vocabulary)."""


@dataclass(frozen=True, slots=True)
class QuantisedModel:
    """An integer model in memory, and what is worth knowing of how it was made.

    Attributes:
        shape: Its shape.
        tensors: Its tensors by name.
        fraction: Fraction bits of the residual stream.
        capped: Outputs of products that had weights clipped since their multiplier
            would have been too large.
    """

    shape: IntegerShape
    tensors: dict[str, NDArray[np.generic]]
    fraction: int
    capped: int

    def tensor(self, name: str) -> NDArray[np.generic]:
        """Returns the tensor of a name."""
        return self.tensors[name]
