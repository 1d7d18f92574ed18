"""Market terms from a file and flags, for `assay deploy`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from protocol.errors import ConfigError
from protocol.market.terms import MarketTerms

__all__ = ["MONEY_TERMS", "parse_address", "read_terms"]

MONEY_TERMS = ("seat_bond", "base_fee", "bounty")
"""Terms that mean nothing without knowing the token."""

_ADDRESSES = ("treasury", "sink")


def read_terms(
    path: Path | None, given: Mapping[str, Any], *, has_own_token: bool
) -> MarketTerms:
    """The terms to deploy with: flag, then file, then the local network's value.

    Args:
        path: TOML file with terms by name, or None.
        given: Flags by name; None where one was not given.
        has_own_token: Whether the token is not the test dollar: then amounts of money
            must be given, for the local network's are test dollars.

    Raises:
        ConfigError: A term is unknown, missing, of the wrong kind or out of range.
    """
    values: dict[str, Any] = {} if path is None else _read(path)
    values |= {name: value for name, value in given.items() if value is not None}
    missing = [name for name in MONEY_TERMS if name not in values]
    if has_own_token and missing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ConfigError(
            f"{', '.join(missing)}: amounts depend on the token's decimals, so give "
            f"them in its units: {flags}, or --terms FILE"
        )
    defaults = asdict(MarketTerms.development())
    checked = {name: _checked(name, v) for name, v in (defaults | values).items()}
    terms = MarketTerms(**checked)
    terms.check()
    return terms


def parse_address(name: str, text: object) -> ChecksumAddress:
    """An address; capitals must be its checksum (EIP-55). Raises ConfigError."""
    is_one = isinstance(text, str) and text.startswith("0x") and is_address(text)
    if isinstance(text, str) and is_one:
        digits = text[2:]
        if digits.islower() or digits.isdigit() or is_checksum_address(text):
            return to_checksum_address(text)
    raise ConfigError(
        f"{name} {text} is no address: 0x and 40 hexadecimal digits, with the checksum "
        "of EIP-55 if it has capitals"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"terms file {path} cannot be read: {error}") from error
    known = [field.name for field in fields(MarketTerms)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"terms file {path}: {', '.join(unknown)}: no such term; there are "
            f"{', '.join(known)}"
        )
    return values


def _checked(name: str, value: object) -> Any:
    if name in _ADDRESSES:
        return None if value is None else parse_address(name, value)
    if type(value) is not int:
        raise ConfigError(f"{name} is {value!r}; give a whole number")
    return value
