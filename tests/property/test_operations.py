"""Every operation in PyTorch against the same in unbounded integers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.models.torch_operations import (
    Product,
    add_residual,
    attend,
    bit_length,
    embed,
    exact_products,
    exp16,
    integer_root,
    normalise,
    scale,
    split_heads,
)
from inference.profiles import PROFILES, Profile
from tests.support.reference import reference
from tests.support.reference.integers import extremes, filled, signed_ends

CPU = torch.device("cpu")
REST = 2**30 - 1
INT32 = 2**31 - 1

Array = NDArray[Any]

ACTIVATIONS = 32_767
TERMS = st.sampled_from([1, 7, 31, 32, 33, 127, 128, 129, 511, 512, 513, 1_100])


def tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64))


def activations(shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
    return st.one_of(
        filled(shape, -ACTIVATIONS, ACTIVATIONS),
        filled(shape, -300, 300),
        signed_ends(shape, ACTIVATIONS),
    )


@st.composite
def products(draw: st.DrawFn, profile: Profile) -> tuple[Array, Array, Array, Array]:
    """Activation rows, weights, multipliers and biases."""
    rows, outputs, terms = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(TERMS)
    limit = profile.weight_limit
    weights = st.one_of(
        filled((outputs, terms), -limit, limit), signed_ends((outputs, terms), limit)
    )
    return (
        draw(activations((rows, terms))),
        draw(weights),
        draw(filled(outputs, 0, INT32)),
        draw(filled(outputs, -REST, REST)),
    )


def check_product(
    profile: Profile, x: Array, weights: Array, multipliers: Array, biases: Array
) -> None:
    stored = weights.astype(np.int8 if profile.weight_bytes == 1 else np.int16)
    product = Product(
        profile, stored, multipliers.astype(np.int32), biases.astype(np.int32), CPU
    )
    with exact_products(CPU):
        got = product(tensor(x)).tolist()
    operands = weights.tolist(), multipliers.tolist(), biases.tolist()
    assert got == [reference.product(profile, row, *operands) for row in x.tolist()]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@given(data=st.data())
def test_product_any_operands_equals_reference(
    profile: Profile, data: st.DataObject
) -> None:
    check_product(profile, *data.draw(products(profile)))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("sign", [1, -1])
def test_product_largest_operands_stay_within_int32(
    profile: Profile, sign: int
) -> None:
    x = np.full((1, 8_192), sign * ACTIVATIONS)
    weights = np.full((1, 8_192), profile.weight_limit)

    check_product(profile, x, weights, np.array([INT32]), np.array([sign * REST]))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_product_low_precision_asked_for_stays_exact(profile: Profile) -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        x = np.full((2, 1_024), ACTIVATIONS - 90)
        weights = np.full((3, 1_024), profile.weight_limit - 2)
        with torch.autocast("cpu", torch.bfloat16):
            check_product(profile, x, weights, np.full(3, INT32), np.zeros(3, int))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@example(2, 2**30)
@example(-2, 2**30)
@given(extremes(-INT32, INT32), extremes(0, INT32))
def test_scale_any_sum_equals_reference(total: int, multiplier: int) -> None:
    got = scale(torch.tensor([total]), torch.tensor([multiplier]))

    assert got.tolist() == [reference.scale(total, multiplier)]


@given(extremes(0, INT32))
def test_bit_length_any_value_equals_reference(value: int) -> None:
    assert bit_length(torch.tensor([value])).tolist() == [value.bit_length()]


@given(extremes(0, 2**62 + 2**48))
def test_integer_root_any_value_equals_reference(value: int) -> None:
    assert integer_root(torch.tensor([value])).tolist() == [math.isqrt(value)]


def test_integer_root_next_to_squares_equals_reference() -> None:
    # Where a double cannot tell a square from its neighbours.
    roots = np.random.default_rng(1).integers(2**26, 2**31, 3_000)
    values = np.concatenate([roots * roots + off for off in (-1, 0, 1)])

    got = integer_root(tensor(values)).tolist()

    assert got == [math.isqrt(value) for value in values.tolist()]


@st.composite
def norms(draw: st.DrawFn) -> tuple[Array, Array, int]:
    """A residual row, shifts and an epsilon."""
    width = draw(st.sampled_from([1, 2, 3, 64, 1_023, 1_024, 2_047]))
    reach = draw(st.sampled_from([1, 1_000, 2**17, 2**24, REST]))
    rows = st.one_of(filled(width, -reach, reach), signed_ends(width, reach))
    return draw(rows), draw(filled(width, 0, 12)), draw(extremes(0, REST))


@given(norms())
def test_normalise_any_row_equals_reference(case: tuple[Array, Array, int]) -> None:
    x, shift, epsilon = case
    fraction = 10 if len(x) <= 1_023 else 9

    got = normalise(tensor(x)[None], fraction, tensor(shift), epsilon)

    wanted = reference.norm(x.tolist(), fraction, shift.tolist(), epsilon)
    assert got.tolist() == [wanted]


def test_normalise_rows_together_equal_each_alone() -> None:
    rng = np.random.default_rng(5)
    reaches = 4 ** np.arange(15)[:, None]
    x, shift = tensor(rng.integers(-reaches, reaches, (15, 96))), tensor(np.zeros(96))

    together = normalise(x, 10, shift, 7)

    alone = torch.cat([normalise(row[None], 10, shift, 7) for row in x])
    assert torch.equal(together, alone)


def test_exp16_every_argument_equals_reference_and_the_stated_error() -> None:
    values = exp16(torch.arange(65_536)).tolist()

    assert values == [reference.exp16(u) for u in range(65_536)]
    assert (min(values), max(values)) == (32_764, 65_535)
    errors = [abs(v / (65_536 * 2 ** -(u / 65_536)) - 1) for u, v in enumerate(values)]
    assert max(errors) < 1.62e-4


@st.composite
def attentions(draw: st.DrawFn) -> tuple[Array, Array, Array, Array, int]:
    """Queries of consecutive rows, keys, values, sharpness and the first position."""
    heads, width = draw(st.integers(1, 2)), draw(st.sampled_from([1, 8, 128]))
    rows, first = draw(st.integers(1, 3)), draw(st.integers(0, 20))
    keys = (heads, first + rows, width)
    reach = draw(st.sampled_from([60, 1_000, 4_095]))

    def vectors(shape: tuple[int, ...], limit: int) -> Array:
        strategy = st.one_of(filled(shape, -limit, limit), signed_ends(shape, limit))
        return draw(strategy)

    return (
        vectors((heads, rows, width), reach),
        vectors(keys, reach),
        vectors(keys, ACTIVATIONS),
        draw(filled(heads, 1, 2 ** draw(st.sampled_from([8, 20, 32])) - 1)),
        first,
    )


@settings(max_examples=200)
@given(attentions())
def test_attend_any_vectors_equals_reference(
    case: tuple[Array, Array, Array, Array, int],
) -> None:
    q, k, v, sharpness, first = case

    scores, weights, mixed = attend(
        tensor(q),
        tensor(k).to(torch.int16),
        tensor(v).to(torch.int16),
        tensor(sharpness),
        first,
    )

    for head, row in np.ndindex(q.shape[:2]):
        end = first + row + 1
        seen = k[head, :end].tolist(), v[head, :end].tolist()
        wanted = reference.attend(q[head, row].tolist(), *seen, int(sharpness[head]))
        assert scores[head, row, :end].tolist() == wanted.scores
        assert weights[head, row, :end].tolist() == wanted.weights
        assert mixed[head, row].tolist() == wanted.mixed


def test_attend_full_context_of_equal_scores_equals_reference() -> None:
    size = (1, 1_024, 4)
    keys, values = np.full(size, 4_095), np.full(size, ACTIVATIONS)
    q = np.full((1, 1, 4), 4_095)

    *_, mixed = attend(
        tensor(q), tensor(keys), tensor(values), torch.tensor([2**32 - 1]), 1_023
    )

    wanted = reference.attend(
        q[0, 0].tolist(), keys[0].tolist(), values[0].tolist(), 2**32 - 1
    )
    assert mixed[0, 0].tolist() == wanted.mixed


@given(filled((2, 6), -INT32, INT32))
def test_split_heads_any_values_clamps_each_part(values: Array) -> None:
    q, k, v = split_heads(tensor(values), 2)

    assert q.shape == (2, 2, 1)
    for part, first, limit in ((q, 0, 4_095), (k, 2, 4_095), (v, 4, 32_767)):
        wanted = [
            [[reference.clamp(int(row[first + head]), limit)] for row in values]
            for head in range(2)
        ]
        assert part.tolist() == wanted


@given(filled(8, -ACTIVATIONS, ACTIVATIONS), filled(8, 0, 14), filled(8, -REST, REST))
def test_embed_any_row_equals_reference(
    token: Array, shift: Array, position: Array
) -> None:
    got = embed(tensor(token), tensor(shift), tensor(position)).tolist()

    assert got == reference.embed(token.tolist(), shift.tolist(), position.tolist())


@given(filled(8, -REST, REST), filled(8, -INT32, INT32))
def test_add_residual_any_values_saturates_twice(x: Array, values: Array) -> None:
    got = add_residual(tensor(x), tensor(values)).tolist()

    wanted = [
        reference.clamp(a + reference.clamp(b, REST), REST)
        for a, b in zip(x.tolist(), values.tolist(), strict=True)
    ]
    assert got == wanted
