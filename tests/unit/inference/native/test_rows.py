"""The native row operations, every instruction set that runs here.

`docs/spec/arithmetic.md` §5 to §7, compared with Python's unbounded integers. All
buffers start as rubbish and have guards behind them.
"""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.errors import NativeUnavailable
from tests.support.reference import reference
from tests.support.reference.native_kernels import ISAS
from tests.support.reference.native_rows import HEAD_LIMIT, CachedHead, Rows, rows_of
from tests.support.reference.reference import REST, clamp

INT32 = 2**31 - 1
QUERY_LIMIT, VALUE_LIMIT = 4095, 32767

WIDTHS = (8, 9, 15, 16, 17, 100, 255, 768, 1023, 1024, 1601, 2047)
HEAD_WIDTHS = (1, 5, 8, 16, 33, 64, 80, 96, 128)
SHARPNESS = (1, 900, 2**14, 3 * 2**20, 2**32 - 1)

Random = np.random.Generator
Int16 = NDArray[np.int16]


@pytest.fixture(params=ISAS)
def rows(request: pytest.FixtureRequest) -> Rows:
    """The operations of one instruction set; skips, saying why, where none run."""
    try:
        found = rows_of(request.param)
    except NativeUnavailable as error:
        pytest.skip(str(error))
    if found is None:
        pytest.skip(f"this CPU has no {request.param}")
    return found


# ---- Layer norm


def _spike(random: Random, n: int, height: int) -> NDArray[np.int64]:
    x = random.integers(-1000, 1001, n)
    x[random.integers(n)] = height
    return x


RESIDUALS: dict[str, Callable[[Random, int], NDArray[np.int64]]] = {
    "normal": lambda random, n: random.normal(0, 65536, n).astype(np.int64),
    "tiny": lambda random, n: random.integers(-1, 2, n),
    "level": lambda random, n: np.full(n, random.integers(-REST, REST + 1)),
    "full": lambda random, n: random.integers(-REST, REST + 1, n),
    "ends": lambda random, n: random.choice([-REST, REST], n),
    "raised": lambda random, n: _spike(random, n, REST),
    "lowered": lambda random, n: _spike(random, n, -REST),
    "single": lambda random, n: np.eye(1, n, n - 1, dtype=np.int64)[0],
}


@pytest.mark.parametrize("pattern", RESIDUALS)
def test_norm_any_width_and_pattern_follows_the_spec(rows: Rows, pattern: str) -> None:
    for n in WIDTHS:
        random = np.random.default_rng([n, 1])
        x = RESIDUALS[pattern](random, n).tolist()
        fraction = 10 if n <= 1023 else 9
        for epsilon in (0, int(random.integers(REST)), REST):
            shifts = random.integers(0, 13 if epsilon else 1, n).tolist()
            expected = reference.norm(x, fraction, shifts, epsilon)
            assert rows.norm(x, fraction, shifts, epsilon) == expected, (n, epsilon)


@pytest.mark.parametrize("scale_bits", range(1, 31))
def test_norm_any_magnitude_follows_the_spec(rows: Rows, scale_bits: int) -> None:
    random = np.random.default_rng(scale_bits)
    limit = 2**scale_bits - 1
    x = random.integers(-limit, limit + 1, 45).tolist()
    shifts = random.integers(0, 13, 45).tolist()
    expected = reference.norm(x, 10, shifts, 12345)
    assert rows.norm(x, 10, shifts, 12345) == expected


# ---- Attention


def a_sequence(pattern: str, width: int, length: int) -> tuple[Int16, Int16, Int16]:
    """Queries, keys and values of one pattern, shape (length, width) each."""
    random = np.random.default_rng([width, length, 2])
    shape = (length, width)
    if pattern == "normal":
        q, k = (random.normal(0, 600, shape).clip(-4095, 4095) for _ in range(2))
        v = random.normal(0, 3000, shape).clip(-32767, 32767)
    elif pattern == "ends":
        q, k = (QUERY_LIMIT * random.choice([-1, 1], shape) for _ in range(2))
        v = VALUE_LIMIT * random.choice([-1, 1], shape)
        # The last row meets the highest and the lowest score there are.
        q[-1], k[0], k[length // 2] = QUERY_LIMIT, QUERY_LIMIT, -QUERY_LIMIT
    else:  # "level": all scores equal, all values at one end
        q, k = np.full(shape, -7), np.full(shape, QUERY_LIMIT)
        v = np.full(shape, -VALUE_LIMIT)
    return q.astype(np.int16), k.astype(np.int16), v.astype(np.int16)


def expected_row(
    sequence: tuple[Int16, Int16, Int16], position: int, sharpness: int
) -> reference.Attended:
    q, k, v = sequence
    past = slice(0, position + 1)
    return reference.attend(
        q[position].tolist(), k[past].tolist(), v[past].tolist(), sharpness
    )


@pytest.mark.parametrize("width", HEAD_WIDTHS)
@pytest.mark.parametrize("pattern", ["normal", "ends", "level"])
def test_attend_every_row_follows_the_spec(
    rows: Rows, pattern: str, width: int
) -> None:
    sequence = a_sequence(pattern, width, 37)
    head = CachedHead(rows, width, 37)
    head.put(0, *sequence[1:])
    for sharpness in SHARPNESS:
        mixed, last = head.attend(0, sequence[0], sharpness)
        expected = [expected_row(sequence, row, sharpness) for row in range(37)]
        assert mixed == [row.mixed for row in expected], sharpness
        assert last == expected[-1], sharpness


@pytest.mark.parametrize("count", [*range(1, 10), 17])
def test_attend_pieces_of_any_size_give_the_same_rows(rows: Rows, count: int) -> None:
    q, k, v = a_sequence("normal", 20, 70)
    whole = CachedHead(rows, 20, 70)
    whole.put(0, k, v)
    expected, _ = whole.attend(0, q, 5000)
    head, mixed = CachedHead(rows, 20, 70), []
    for first in range(0, 70, count):
        piece = slice(first, first + count)
        head.put(first, k[piece], v[piece])
        mixed += head.attend(first, q[piece], 5000, traced=False)[0]
    assert mixed == expected


@pytest.mark.parametrize("capacity", [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65])
def test_attend_last_position_of_any_capacity_follows_the_spec(
    rows: Rows, capacity: int
) -> None:
    sequence = a_sequence("ends", 6, capacity)
    head = CachedHead(rows, 6, capacity)
    head.put(0, *sequence[1:])
    mixed, last = head.attend(capacity - 1, sequence[0][-1:], 77)
    expected = expected_row(sequence, capacity - 1, 77)
    assert last == expected
    assert mixed == [expected.mixed]


@pytest.mark.parametrize("pattern", ["normal", "level"])
def test_attend_longest_context_follows_the_spec(rows: Rows, pattern: str) -> None:
    sequence = a_sequence(pattern, 64, 1024)
    head = CachedHead(rows, 64, 1024)
    head.put(0, *sequence[1:])
    for first, count in ((1023, 1), (1015, 8), (990, 11)):
        q = sequence[0][first : first + count]
        mixed, last = head.attend(first, q, 6000)
        assert last == expected_row(sequence, first + count - 1, 6000)
        assert mixed[0] == expected_row(sequence, first, 6000).mixed


# ---- Epilogues


LENGTHS = (1, 7, 8, 15, 16, 17, 31, 48, 64, 101)
ENDS = [INT32, -INT32, VALUE_LIMIT, -VALUE_LIMIT, VALUE_LIMIT + 1, -VALUE_LIMIT - 1]
ENDS += [REST, -REST, REST + 1, -REST - 1, HEAD_LIMIT + 1, -HEAD_LIMIT - 1, 0, -1]


def products(length: int) -> list[int]:
    """Values as a product leaves them, with the ends of all clamps among them."""
    random = np.random.default_rng(length)
    bits = random.integers(1, 32, length)
    values = random.integers(-INT32, INT32, length, endpoint=True) >> (31 - bits)
    ends = random.choice(ENDS, length)
    return list(np.where(random.random(length) < 0.4, ends, values).tolist())


@pytest.mark.parametrize("length", LENGTHS)
def test_epilogues_any_length_follow_the_spec(rows: Rows, length: int) -> None:
    values = products(length)
    random = np.random.default_rng(length)
    x = random.choice([-REST, REST, 0, 12345], length).tolist()
    table = random.integers(-32767, 32768, 65536).astype(np.int16)
    for limit in (QUERY_LIMIT, VALUE_LIMIT):
        clamped = [clamp(value, limit) for value in values]
        assert rows.store_i16(values, limit) == clamped
    summed = [clamp(a + clamp(b, REST), REST) for a, b in zip(x, values, strict=True)]
    assert rows.add_residual(values, x) == summed
    looked_up = [int(table[clamp(value, 32767) + 32768]) for value in values]
    assert rows.activate(values, table) == looked_up
    logits = [clamp(value, HEAD_LIMIT) << 6 for value in values]
    assert rows.store_logits(values) == logits


def test_select_unknown_name_returns_nothing() -> None:
    try:
        assert rows_of("sse9") is None
    except NativeUnavailable as error:
        pytest.skip(str(error))


def test_select_auto_returns_the_first_that_runs() -> None:
    try:
        chosen = rows_of("auto")
    except NativeUnavailable as error:
        pytest.skip(str(error))
    assert chosen is not None
    assert chosen.name == next(isa for isa in ISAS if rows_of(isa) is not None)
