"""The native matrix products, every instruction set that runs here.

`docs/spec/arithmetic.md` §3. Some values of every row are compared with Python's
unbounded integers, and all of them with the plain kernels'.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.errors import NativeUnavailable
from inference.profiles import PROFILES, W8B8, Profile
from tests.support.reference import reference
from tests.support.reference.native_kernels import ISAS, Kernels, Operands, kernels

TERMS = (1, 3, 31, 64, 127, 130, 512, 513, 768, 1600, 8192)
PATTERNS = ("random", "highest", "lowest", "signs", "small", "outliers")
LIMIT = 32767
REST = 2**30 - 1


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> Kernels:
    """The kernels of one instruction set; skips, saying why, where they cannot run."""
    try:
        found = kernels(request.param)
    except NativeUnavailable as error:
        pytest.skip(str(error))
    if found is None:
        pytest.skip(f"this CPU has no {request.param}")
    return found


@pytest.fixture(params=list(PROFILES.values()), ids=list(PROFILES))
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


def integers(
    random: np.random.Generator, limit: int, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    return random.integers(-limit, limit, shape, endpoint=True)


def activations(
    random: np.random.Generator, pattern: str, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Rows of one pattern; the sums of the first three reach the spec's bounds."""
    ends = {"highest": [1], "lowest": [-1], "signs": [-1, 1]}
    if pattern in ends:
        return LIMIT * random.choice(ends[pattern], shape)
    x = integers(random, LIMIT, shape)
    if pattern == "small":
        return x % 3 - 1
    if pattern == "outliers":  # groups whose exponents differ, one of them 0
        return x >> (np.arange(shape[1]) // 128 * 5 % 16)
    return x


def an_example(
    profile: Profile, pattern: str, *, rows: int, outputs: int, terms: int, gap: int = 0
) -> Operands:
    random = np.random.default_rng([rows, outputs, terms, PATTERNS.index(pattern)])
    limit = profile.weight_limit
    weights = integers(random, limit, (outputs, terms))
    if pattern in ("highest", "lowest"):
        weights[:] = limit
    elif pattern == "signs":
        weights = limit * np.sign(weights)
    # Rows with a gap between them, which must not be read as terms.
    x = np.full((rows, terms + gap), LIMIT, np.int16)
    x[:, :terms] = activations(random, pattern, (rows, terms))
    multiplier = random.integers(0, 2**31, outputs)
    multiplier[0] = 2**31 - 1
    bias = integers(random, REST, (outputs,))
    bias[0] = -REST if pattern == "lowest" else REST
    return Operands(profile, weights, multiplier, bias, x[:, :terms])


def expected_value(operands: Operands, row: int, output: int) -> int:
    [value] = reference.product(
        operands.profile,
        operands.activations[row].tolist(),
        [operands.weights[output].tolist()],
        [int(operands.multiplier[output])],
        [int(operands.bias[output])],
    )
    return value


def assert_right(operands: Operands, values: NDArray[np.int32]) -> None:
    """Checks the first and last output of every row, and one in between."""
    rows, outputs = values.shape
    for row in range(rows):
        for output in {0, row * 7 % outputs, outputs - 1}:
            value = int(values[row, output])
            assert value == expected_value(operands, row, output), (row, output)


@pytest.mark.parametrize("terms", TERMS)
def test_tile_any_terms_and_pattern_follows_the_spec(
    isa: Kernels, profile: Profile, terms: int
) -> None:
    for pattern in PATTERNS:
        outputs = isa.panel + 1 if terms < 2000 else 5
        operands = an_example(profile, pattern, rows=5, outputs=outputs, terms=terms)
        assert_right(operands, isa.multiply(operands))


@pytest.mark.parametrize("rows", [*range(1, 18), 70])
def test_tile_any_number_of_rows_follows_the_spec(
    isa: Kernels, profile: Profile, rows: int
) -> None:
    operands = an_example(profile, "outliers", rows=rows, outputs=19, terms=200)
    assert_right(operands, isa.multiply(operands))


@pytest.mark.parametrize("gap", [1, 9, 40])
def test_prepare_rows_apart_reads_only_their_terms(
    isa: Kernels, profile: Profile, gap: int
) -> None:
    operands = an_example(profile, "small", rows=9, outputs=17, terms=145, gap=gap)
    assert_right(operands, isa.multiply(operands))


@pytest.mark.parametrize("call_rows", [1, 3, 4])
def test_tile_fewer_rows_per_call_gives_the_same_values(
    isa: Kernels, profile: Profile, call_rows: int
) -> None:
    operands = an_example(profile, "random", rows=19, outputs=100, terms=96)
    whole = isa.multiply(operands)
    assert np.array_equal(isa.multiply(operands, call_rows=call_rows), whole)


@pytest.mark.parametrize(("outputs", "terms"), [(1, 768), (47, 600), (200, 3072)])
def test_tile_every_value_equals_the_plain_kernels(
    isa: Kernels, profile: Profile, outputs: int, terms: int
) -> None:
    plain = kernels("plain")
    assert plain is not None
    for pattern in PATTERNS:
        operands = an_example(profile, pattern, rows=21, outputs=outputs, terms=terms)
        assert np.array_equal(isa.multiply(operands), plain.multiply(operands))


def test_prepare_every_activation_is_rounded_as_the_spec_says(isa: Kernels) -> None:
    """One weight of 1 in each row of weights lays the mantissas bare."""
    terms = 128
    magnitudes = np.arange(LIMIT + 1).reshape(-1, terms // 2)
    x = np.concatenate([magnitudes, -magnitudes], axis=1).astype(np.int16)
    identity = 16 * np.eye(terms, dtype=np.int64)
    ones = np.full(terms, 2**31 - 1)
    operands = Operands(W8B8, identity, ones, np.zeros(terms, np.int64), x)
    expected = []
    for row in x.tolist():
        mantissas, exponent = reference.round_group(row)
        expected.append([reference.scale(y << exponent, 2**31 - 1) for y in mantissas])
    assert np.array_equal(isa.multiply(operands), expected)


def test_select_unknown_name_returns_nothing() -> None:
    try:
        assert kernels("sse9") is None
    except NativeUnavailable as error:
        pytest.skip(str(error))


def test_select_auto_returns_the_first_that_runs() -> None:
    try:
        chosen = kernels("auto")
    except NativeUnavailable as error:
        pytest.skip(str(error))
    assert chosen is not None
    assert chosen.name == next(isa for isa in ISAS if kernels(isa) is not None)
