"""Decimal notation of scaled integers, both ways and never through a float.

Documents and the chain hold integers only: a temperature of 0.7 is 700,000 millionths,
0.25 of a six-decimal token is 250,000 units.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from protocol.errors import RequestError

__all__ = ["MILLIONTHS", "Amounts", "format_scaled", "parse_scaled"]

# Decimals of temperature and top-p.
MILLIONTHS = 6

# Far above any amount, far below what would make an integer of a million digits.
_MAX_EXPONENT = 40
_MAX_DIGITS = 100


def parse_scaled(value: str | int | Decimal, decimals: int, name: str) -> int:
    """Reads a decimal number as an integer of `decimals` decimals.

    Args:
        value: Such as ``0.7`` or ``12``. A float is refused: it is not the number
            that was written.
        decimals: Digits behind the point that the integer keeps.
        name: What the value is called in errors.

    Returns:
        The number times ``10**decimals``.

    Raises:
        RequestError: It is no number, negative, or finer than the scale.
    """
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise RequestError(f"{name} is {value!r}; give a number such as 0.7")
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError) as error:
        raise RequestError(
            f"{name} is {_shown(value)}; give a number such as 0.7"
        ) from error
    if not number.is_finite() or number < 0 or number.adjusted() > _MAX_EXPONENT:
        raise RequestError(
            f"{name} is {_shown(value)}; give a number of at least 0, such as 0.7"
        )
    # By digits: arithmetic on Decimals rounds to 28 of them.
    _, digits, exponent = number.as_tuple()
    unscaled = int("".join(map(str, digits[-_MAX_DIGITS:])))
    shift = decimals + int(exponent)
    if shift >= 0:
        return unscaled * int(10**shift)
    whole, rest = divmod(unscaled, int(10 ** min(-shift, _MAX_DIGITS)))
    if rest or len(digits) > _MAX_DIGITS:
        raise RequestError(
            f"{name} is {_shown(value)}; at most {decimals} decimals are kept"
        )
    return whole


def format_scaled(value: int, decimals: int, symbol: str = "") -> str:
    """Writes a scaled integer as people read it.

    Args:
        value: The integer.
        decimals: Digits behind the point.
        symbol: What follows the number, such as a token's name.

    Returns:
        Such as ``0.25`` or ``1,200.5 ATD``: no trailing zeros.
    """
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10**decimals)
    fraction = f"{part:0{decimals}}".rstrip("0") if decimals else ""
    number = f"{sign}{whole:,}" + (f".{fraction}" if fraction else "")
    return f"{number} {symbol}" if symbol else number


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts of one token as people write and read them.

    Attributes:
        decimals: The token's decimals.
        symbol: What follows a number; empty for nothing.
    """

    decimals: int
    symbol: str

    def text(self, units: int) -> str:
        """An amount of units for people."""
        return format_scaled(units, self.decimals, self.symbol)

    def units(self, text: str, name: str) -> int:
        """Units of an amount that a person wrote. Raises RequestError."""
        return parse_scaled(text, self.decimals, name)
