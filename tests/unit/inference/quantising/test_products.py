"""Quantised products against the float products they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from inference.models.torch_operations import Product
from inference.profiles import PROFILES, W8A16, W12A16, Profile
from inference.quantising.products import (
    ProductInput,
    QuantisedProduct,
    largest_scale,
    quantise_product,
)

UNIT = 2.0**-11
OUTPUT_UNIT = 2.0**-9


def inputs(rows: int = 400, terms: int = 96) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    spread = torch.rand(terms, generator=generator) + 0.1
    mean = torch.randn(terms, generator=generator)
    return (torch.randn(rows, terms, generator=generator) * spread + mean) / UNIT


def source(steps: Tensor) -> ProductInput:
    return ProductInput(
        unit=torch.full((steps.shape[1],), UNIT, dtype=torch.float64),
        mean=steps.double().mean(0),
        variance=steps.double().var(0),
    )


def compute(made: QuantisedProduct, profile: Profile, steps: Tensor) -> Tensor:
    product = Product(
        profile, made.weight, made.multiplier, made.bias, torch.device("cpu")
    )
    return product(steps.round().long()).double() * OUTPUT_UNIT


def quantised(
    weight: Tensor, bias: Tensor, steps: Tensor, profile: Profile
) -> QuantisedProduct:
    unit = torch.full((len(weight),), OUTPUT_UNIT, dtype=torch.float64)
    return quantise_product(weight, bias, source(steps), unit, profile)


def weights(outputs: int = 40, terms: int = 96) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(6)
    weight = torch.randn(outputs, terms, generator=generator) / 10
    return weight, torch.randn(outputs, generator=generator)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("int-w8a16", 0.01), ("int-w8b8", 0.02), ("int-w12a16", 0.003)],
)
def test_quantise_product_random_weights_is_near_the_float_product(
    name: str, allowed: float
) -> None:
    profile, steps = PROFILES[name], inputs()
    weight, bias = weights()

    made = quantised(weight, bias, steps, profile)

    exact = steps.double() * UNIT @ weight.T.double() + bias
    error = (compute(made, profile, steps) - exact).square().mean().sqrt()
    assert float(error / exact.std()) < allowed
    assert made.capped == 0
    assert int(np.abs(made.weight).max()) <= profile.weight_limit


def test_quantise_product_error_of_means_goes_into_the_bias() -> None:
    steps = inputs()
    steps[:, 3] += 9_000
    weight, bias = weights()

    made = quantised(weight, bias, steps, W8A16)

    exact = steps.double() * UNIT @ weight.T.double() + bias
    errors = (compute(made, W8A16, steps) - exact).mean(0)
    assert float(errors.abs().max()) < OUTPUT_UNIT


def test_quantise_product_one_large_weight_of_an_idle_input_is_clipped() -> None:
    steps = inputs()
    steps[:, 7] = 0
    weight, bias = weights()
    weight[2, 7] = 50

    made = quantised(weight, bias, steps, W8A16)

    # The scale that keeps it would leave the other weights hardly any steps.
    assert int(np.abs(np.delete(made.weight[2], 7)).max()) > 1


def test_quantise_product_scale_beyond_every_multiplier_is_capped() -> None:
    steps = inputs()
    weight, bias = weights()
    weight[5] *= 100

    made = quantised(weight, bias, steps, W12A16)

    assert made.capped == 1
    assert int(made.multiplier[5]) == 2**31 - 1
    assert largest_scale(W12A16) < 2.0**-9


def test_quantise_product_row_of_zeros_gives_its_bias() -> None:
    steps = inputs()
    weight, bias = weights()
    weight[0] = 0

    made = quantised(weight, bias, steps, W8A16)

    found = compute(made, W8A16, steps)[:, 0]
    assert float((found - bias[0]).abs().max()) <= OUTPUT_UNIT
