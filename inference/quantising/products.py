"""Quantising one matrix product: integer weights, multipliers and biases.

The inputs and outputs of a product are integers in known units. What is left to choose
is one scale for each output: a smaller one rounds most weights more finely and clips
the largest. The one with the least error in the output is taken, where an input counts
as much as it varies: what it is on average goes into the bias.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.models.layout import MAX_MULTIPLIER, MAX_REST
from inference.profiles import Profile

_CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
_ROWS_AT_ONCE = 4096
_ROUNDING = 1e-5


@dataclass(frozen=True, slots=True)
class ProductInput:
    """What is known of the integers that a product reads, channel by channel.

    Attributes:
        unit: Value of one integer step.
        mean: Mean in integer steps.
        variance: Variance in integer steps.
    """

    unit: Tensor
    mean: Tensor
    variance: Tensor


@dataclass(frozen=True, slots=True)
class QuantisedProduct:
    """The tensors of one product, as a package stores them.

    Attributes:
        weight: int8 or int16, shape (outputs, terms).
        multiplier: int32, shape (outputs,).
        bias: int32, shape (outputs,).
        capped: Outputs whose multiplier was too large to be stored, so that weights
            had to be clipped.
    """

    weight: NDArray[np.generic]
    multiplier: NDArray[np.int32]
    bias: NDArray[np.int32]
    capped: int


def quantise_product(
    weight: Tensor,
    bias: Tensor,
    source: ProductInput,
    output_unit: Tensor,
    profile: Profile,
) -> QuantisedProduct:
    """Quantises a product.

    Args:
        weight: In float, shape (outputs, terms).
        bias: In float, shape (outputs,).
        source: The integers it reads.
        output_unit: Value of one step of every output, shape (outputs,).
        profile: The arithmetic.
    """
    parts = [
        _quantise_rows(rows, bias_rows, source, unit, profile)
        for rows, bias_rows, unit in zip(
            torch.split(weight, _ROWS_AT_ONCE),
            torch.split(bias, _ROWS_AT_ONCE),
            torch.split(output_unit, _ROWS_AT_ONCE),
            strict=True,
        )
    ]
    return QuantisedProduct(
        weight=np.concatenate([part.weight for part in parts]),
        multiplier=np.concatenate([part.multiplier for part in parts]),
        bias=np.concatenate([part.bias for part in parts]),
        capped=sum(part.capped for part in parts),
    )


def largest_scale(profile: Profile) -> float:
    """Returns the most that one step of a weight may stand for.

    In steps of the output per step of the input.
    """
    return MAX_MULTIPLIER / float(2 ** (32 + profile.block_shift))


def _quantise_rows(
    weight: Tensor,
    bias: Tensor,
    source: ProductInput,
    output_unit: Tensor,
    profile: Profile,
) -> QuantisedProduct:
    # Output steps per input step.
    exact = (weight.double() * source.unit / output_unit[:, None]).float()
    scale, capped = _choose_scales(exact, source.variance.float(), profile)
    steps = _rounded(exact, scale, profile.weight_limit)
    error = exact.double() - steps.double() * scale[:, None]
    corrected = bias.double() / output_unit + error @ source.mean
    multiplier = (scale * 2.0 ** (32 + profile.block_shift)).round()
    dtype = np.int8 if profile.weight_bytes == 1 else np.int16
    return QuantisedProduct(
        weight=steps.numpy().astype(dtype),
        multiplier=multiplier.numpy().astype(np.int32),
        bias=corrected.round().clamp(-MAX_REST, MAX_REST).numpy().astype(np.int32),
        capped=capped,
    )


def _choose_scales(
    exact: Tensor, importance: Tensor, profile: Profile
) -> tuple[Tensor, int]:
    """Returns the scale of each row, one that a multiplier can express exactly."""
    whole = exact.abs().amax(1).double() / profile.weight_limit
    unit = 2.0 ** -(32 + profile.block_shift)
    best = torch.full((len(exact),), torch.inf)
    chosen = torch.full_like(whole, unit)
    for clip in _CLIPS:
        scale = (whole * clip / unit).round().clamp(1, MAX_MULTIPLIER) * unit
        steps = _rounded(exact, scale, profile.weight_limit)
        error = exact - steps * scale.float()[:, None]
        loss = error.square() @ importance
        better = loss < best
        best = torch.where(better, loss, best)
        chosen = torch.where(better, scale, chosen)
    is_capped = whole > largest_scale(profile) * (1 + _ROUNDING)
    return chosen, int(is_capped.sum())


def _rounded(exact: Tensor, scale: Tensor, limit: int) -> Tensor:
    return (exact / scale.float()[:, None]).round().clamp(-limit, limit)
