"""Formats that import chooses: ranges are covered, and no bit is wasted."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inference.quantising.calibration import Calibration, Site
from inference.quantising.formats import (
    MARGIN,
    attention_format,
    hidden_format,
    norm_shifts,
    residual_fraction,
)

NO_LEAST = torch.zeros(1)


def site(rows: Tensor) -> Site:
    calibration = Calibration()
    half = len(rows) // 2
    calibration.observe("site", rows[None, :half])
    calibration.observe("site", rows[None, half:])
    return calibration["site"]


def normal(*spreads: float, rows: int = 1_000) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, len(spreads), generator=generator) * torch.tensor(spreads)


def test_observe_in_parts_equals_the_whole() -> None:
    rows = normal(1.0, 3.0) + 0.5

    seen = site(rows)

    assert torch.allclose(seen.mean, rows.double().mean(0))
    assert torch.allclose(seen.variance, rows.double().var(0, unbiased=False))
    assert torch.equal(seen.largest, rows.double().abs().amax(0))


def test_norm_shifts_any_channel_uses_the_range_and_keeps_the_margin() -> None:
    rows = normal(15.0, 1.0, 0.01, 1e-9)

    shifts = norm_shifts(site(rows), 10)

    reach = site(rows).largest * 2 ** (10 + shifts)
    assert shifts.tolist()[0] == 0
    assert shifts.tolist()[3] == 12
    assert all(value * MARGIN <= 32767 for value in reach.tolist()[1:])
    assert all(value * MARGIN > 32767 / 2 for value in reach.tolist()[1:3])


@pytest.mark.parametrize(
    ("largest", "coarsest", "bits"),
    [
        (1.0, 1e-9, 16),
        (5_000.0, 1e-9, 16),
        (6_000.0, 1e-9, 15),
        (90_000.0, 1e-9, 11),
        (1.0, 2.0**-14, 14),
        # With so few bits, clipping the largest weights by half is the lesser evil.
        (1.0, 2.0**-8, 9),
        (1.0, 1e6, 0),
    ],
)
def test_residual_fraction_range_and_multipliers_bound_it(
    largest: float, coarsest: float, bits: int
) -> None:
    rows = torch.full((4, 2), largest)

    assert residual_fraction(site(rows), 1e-5, coarsest) == bits


def test_residual_fraction_large_epsilon_bounds_it() -> None:
    fraction = residual_fraction(site(torch.ones(4, 2)), 0.9, 1e-9)

    assert 0.9 * 4.0**fraction < 2**30 <= 0.9 * 4.0 ** (fraction + 1)


def test_attention_format_every_head_has_one_unit_of_scores() -> None:
    # Two heads of two channels: queries, keys, values.
    rows = normal(1, 20, 3, 0.1, 5, 0.1, 2, 40, 1, 2, 3, 4)

    form = attention_format(site(rows), 2, NO_LEAST.expand(12))

    q, k = form.unit[:4], form.unit[4:8]
    scores = (q * k).view(2, 2)
    assert torch.allclose(scores[:, 0], scores[:, 1])
    expected = scores[:, 0] * 2**40 * math.log2(math.e) / math.sqrt(2)
    assert torch.allclose(form.sharpness, expected.round())
    reach = (rows.double() - form.centre).abs().amax(0) / form.unit
    assert float(reach[:8].max()) <= 4095
    assert float(reach[8:].max()) <= 32767
    assert float(reach[8:].min()) > 32767 / 2


def test_attention_format_constant_of_the_keys_costs_no_range() -> None:
    rows = normal(1, 1, 1, 1, 1, 1)
    shifted = rows.clone()
    shifted[:, 2] += 500

    plain, with_constant = (
        attention_format(site(part), 1, NO_LEAST.expand(6)) for part in (rows, shifted)
    )

    assert torch.allclose(plain.sharpness, with_constant.sharpness, rtol=1e-3)


def test_attention_format_least_unit_is_kept() -> None:
    minimum = torch.full((6,), 0.5, dtype=torch.float64)

    form = attention_format(site(normal(1, 1, 1, 1, 1, 1)), 1, minimum)

    assert float(form.unit.min()) >= 0.5


def test_hidden_format_covers_the_largest_channel_and_the_least_unit() -> None:
    inner, active = site(normal(1.0, 4.0)), site(normal(0.5, 2.0))

    form = hidden_format(inner, active, NO_LEAST)

    assert form.inner_unit * 32767 == pytest.approx(float(inner.largest.max()) * MARGIN)
    assert form.active_unit * 32767 == pytest.approx(
        float(active.largest.max()) * MARGIN
    )
    assert hidden_format(inner, active, NO_LEAST + 3).inner_unit == 3
