"""Formats: what one integer step stands for at every place of a model."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.models.layout import (
    KEY_LIMIT,
    MAX_EPSILON,
    MAX_NORM_SHIFT,
    MAX_REST,
    MAX_SHARPNESS,
    VALUE_LIMIT,
)
from inference.quantising.calibration import Site

MARGIN = 1.5
"""How much further than on the calibration text values may go unclamped."""

MAX_FRACTION = 16
_ROUGH_FRACTION = 12
_TINY = 1e-9


def residual_fraction(residual: Site, epsilon: float, coarsest: float) -> int:
    """Returns the residual stream's fraction bits: as many as its range allows.

    Args:
        residual: The stream, wherever it is read.
        epsilon: Of the layer norms.
        coarsest: The least value of a step of the stream with which the multiplier of
            every product that writes to it can be stored.
    """
    reach = float(residual.largest.max()) * 2 * MARGIN
    range_bits = math.floor(math.log2(MAX_REST / max(reach, _TINY)))
    epsilon_bits = math.floor(math.log2(MAX_EPSILON / epsilon) / 2)
    product_bits = math.floor(-math.log2(max(coarsest, _TINY)))
    if product_bits < _ROUGH_FRACTION:
        # Rounding the stream costs more by now than clipping a few weights by half.
        product_bits += 1
    return max(0, min(MAX_FRACTION, range_bits, epsilon_bits, product_bits))


def norm_shifts(site: Site, fraction: int) -> Tensor:
    """Returns the shift of every channel of a norm: the most that leaves a margin."""
    reach = site.largest.clamp(min=_TINY) * MARGIN * 2**fraction
    return torch.floor(torch.log2(VALUE_LIMIT / reach)).clamp(0, MAX_NORM_SHIFT)


@dataclass(frozen=True, slots=True)
class AttentionFormat:
    """Units of one layer's queries, keys and values.

    Attributes:
        unit: Value of a step of each output of `qkv`, shape (3 width,).
        centre: What is taken from each output before it is stored, shape (3 width,);
            the same for every position, so that softmax does not see it in the keys.
        sharpness: Shape (heads,).
    """

    unit: Tensor
    centre: Tensor
    sharpness: Tensor


def attention_format(site: Site, heads: int, minimum: Tensor) -> AttentionFormat:
    """Chooses the units of queries, keys and values from those of the float model.

    A head's scores are sums of products of queries and keys, so in all of its channels
    a step of the query times a step of the key must be worth the same.

    Args:
        site: What the float model's `qkv` gave.
        heads: Number of heads.
        minimum: Least unit of every output that its multiplier can express.
    """
    width = len(site.total) // 3
    low, high = site.lowest, site.highest
    centre = torch.zeros_like(high)
    keys = slice(width, 2 * width)
    centre[keys] = (low[keys] + high[keys]) / 2
    reach = torch.maximum(high - centre, centre - low).clamp(min=_TINY) * MARGIN
    spread = (site.mean_square - 2 * centre * site.mean + centre**2).clamp(min=_TINY**2)
    q_least, k_least = torch.maximum(
        reach[: 2 * width] / KEY_LIMIT, minimum[: 2 * width]
    ).chunk(2)
    product = (q_least * k_least).view(heads, -1).amax(1)
    each = product.repeat_interleave(width // heads)
    # The error of a score is least when both steps are in proportion to the values.
    q_spread, k_spread = spread[: 2 * width].sqrt().chunk(2)
    q_unit = (each * q_spread / k_spread).sqrt()
    q_unit = torch.minimum(torch.maximum(q_unit, q_least), each / k_least)
    v_unit = torch.maximum(reach[2 * width :] / VALUE_LIMIT, minimum[2 * width :])
    scale = math.log2(math.e) / math.sqrt(width // heads)
    sharpness = (product * (scale * 2**40)).round().clamp(1, MAX_SHARPNESS)
    return AttentionFormat(
        torch.cat([q_unit, each / q_unit, v_unit]), centre, sharpness
    )


@dataclass(frozen=True, slots=True)
class HiddenFormat:
    """What a step is worth before and after an MLP's activation, in all channels."""

    inner_unit: float
    active_unit: float


def hidden_format(inner: Site, active: Site, minimum: Tensor) -> HiddenFormat:
    """Chooses the units from what the float model showed.

    Args:
        inner: What the first product gave.
        active: What the activation made of it.
        minimum: Least unit of every inner value that its multiplier can express.
    """

    def unit(site: Site) -> float:
        return max(float(site.largest.max()), _TINY) * MARGIN / VALUE_LIMIT

    return HiddenFormat(max(unit(inner), float(minimum.max())), unit(active))
