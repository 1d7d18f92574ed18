from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.amounts import Amounts, format_scaled, parse_scaled
from protocol.errors import RequestError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.7", 700_000),
        ("0", 0),
        ("1", 1_000_000),
        ("1.000000", 1_000_000),
        ("1e-6", 1),
        ("0.1", 100_000),
        (Decimal("0.3"), 300_000),
        (2, 2_000_000),
        ("0." + "70" + "0" * 50, 700_000),
        ("0e-999999999", 0),
    ],
)
def test_parse_scaled_exact_decimal_is_not_rounded(
    text: str | int | Decimal, expected: int
) -> None:
    assert parse_scaled(text, 6, "temperature") == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0.1234567", "at most 6 decimals"),
        ("warm", "give a number such as 0.7"),
        ("", "give a number such as 0.7"),
        ("-1", "at least 0"),
        ("NaN", "at least 0"),
        ("Infinity", "at least 0"),
        ("1e999999999", "at least 0"),
        ("1e-999999999", "at most 6 decimals"),
        ("0.7" + "0" * 5000, "at most 6 decimals"),
    ],
)
def test_parse_scaled_bad_number_names_it_and_the_way_out(
    text: str, reason: str
) -> None:
    with pytest.raises(RequestError, match=f"^--top-p is .*{reason}"):
        parse_scaled(text, 6, "--top-p")


@pytest.mark.parametrize("value", [0.7, True])
def test_parse_scaled_float_or_bool_is_refused(value: object) -> None:
    with pytest.raises(RequestError, match="give a number"):
        parse_scaled(value, 6, "temperature")  # type: ignore[arg-type]


def test_parse_scaled_endless_text_is_quoted_in_part() -> None:
    with pytest.raises(RequestError) as caught:
        parse_scaled("x" * 10_000, 6, "temperature")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [
        (0, 6, "0"),
        (250_000, 6, "0.25"),
        (1_200_500_000, 6, "1,200.5"),
        (-1, 6, "-0.000001"),
        (7, 0, "7"),
        (10**18, 18, "1"),
    ],
)
def test_format_scaled_drops_trailing_zeros(
    value: int, decimals: int, expected: str
) -> None:
    assert format_scaled(value, decimals) == expected


@given(st.integers(0, 2**96), st.integers(0, 18))
def test_format_scaled_is_what_parse_scaled_reads(value: int, decimals: int) -> None:
    text = format_scaled(value, decimals).replace(",", "")
    assert parse_scaled(text, decimals, "amount") == value


def test_amounts_text_has_the_symbol() -> None:
    amounts = Amounts(decimals=6, symbol="ATD")
    assert amounts.text(373_700) == "0.3737 ATD"
    assert amounts.units("0.3737", "--max-cost") == 373_700
