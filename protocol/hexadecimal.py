"""Bytes as `0x` and hexadecimal digits, and addresses in checksum form (EIP-55)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress

__all__ = ["checksum_address", "from_hex", "to_hex"]

_QUOTED_CHARACTERS = 80


def to_hex(value: bytes) -> str:
    """Bytes as `0x` and two lower-case digits for each."""
    return "0x" + value.hex()


def from_hex(text: str, length: int | None = None) -> bytes:
    """The bytes that `0x` and digits stand for, in lower or upper case.

    Args:
        text: What `to_hex` wrote, or what somebody claims to be such.
        length: How many bytes it must be.

    Raises:
        ValueError: It is anything else, no text included.
    """
    try:
        value = bytes.fromhex(text[2:])
        # Python reads over white space.
        is_whole = text[:2] == "0x" and len(text) == 2 + 2 * len(value)
    except (TypeError, ValueError):
        is_whole = False
    if is_whole and length in (None, len(value)):
        return value
    count = "an even number of" if length is None else str(2 * length)
    shown = repr(text)[:_QUOTED_CHARACTERS]
    raise ValueError(f"{shown} is not 0x and {count} hexadecimal digits")


@lru_cache(maxsize=65_536)
def checksum_address(address: str | bytes) -> ChecksumAddress:
    """An address in checksum form; the same few come again and again in a history.

    Raises:
        ValueError: It is none.
    """
    # Slow to load, and most who print digits have no address.
    from eth_utils.address import to_checksum_address

    return to_checksum_address(address)
