"""Calibration: what values a float model's operations take on a text."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.quantising.models import FloatModel

_TEXTS_AT_ONCE = 4


@dataclass(slots=True)
class Site:
    """Statistics of the rows that one operation gave, channel by channel.

    Attributes:
        lowest: Least value.
        highest: Greatest value.
        count: Rows seen.
        total: Sum of the rows.
        squares: Sum of their squares.
    """

    lowest: Tensor
    highest: Tensor
    count: int
    total: Tensor
    squares: Tensor

    @property
    def largest(self) -> Tensor:
        """Largest magnitude."""
        return torch.maximum(self.highest, -self.lowest)

    @property
    def mean(self) -> Tensor:
        """Mean value."""
        return self.total / self.count

    @property
    def mean_square(self) -> Tensor:
        """Mean of the squares."""
        return self.squares / self.count

    @property
    def variance(self) -> Tensor:
        """Variance, at least 0."""
        return (self.mean_square - self.mean**2).clamp(min=0)


@dataclass(slots=True)
class Calibration:
    """The sites of a model by the names of the operations in a trace.

    `layers.L.norm1` and `layers.L.norm2` and `final` are standardised rows, before
    gain and bias; `residual` is the residual stream wherever it is read.
    """

    sites: dict[str, Site] = field(default_factory=dict)

    def observe(self, name: str, values: Tensor) -> None:
        """Adds rows of one operation, shape (…, channels)."""
        rows = values.flatten(0, -2)
        lowest, highest = rows.aminmax(dim=0)
        seen = Site(
            lowest=lowest.double(),
            highest=highest.double(),
            count=len(rows),
            total=rows.sum(0, dtype=torch.float64),
            squares=rows.square().sum(0, dtype=torch.float64),
        )
        before = self.sites.get(name)
        self.sites[name] = seen if before is None else _merged(before, seen)

    def __getitem__(self, name: str) -> Site:
        """The statistics of one operation."""
        return self.sites[name]


@torch.inference_mode()
def calibrate(model: FloatModel, windows: Tensor) -> Calibration:
    """Runs a float model over text and returns what its operations gave.

    Args:
        model: The model.
        windows: Token ids, shape (texts, positions), at most the model's context.
    """
    calibration = Calibration()
    for texts in torch.split(windows, _TEXTS_AT_ONCE):
        model.forward(texts, calibration.observe)
    return calibration


def _merged(one: Site, other: Site) -> Site:
    return Site(
        lowest=torch.minimum(one.lowest, other.lowest),
        highest=torch.maximum(one.highest, other.highest),
        count=one.count + other.count,
        total=one.total + other.total,
        squares=one.squares + other.squares,
    )
