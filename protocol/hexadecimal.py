"""Addresses in checksum form (EIP-55)."""

from __future__ import annotations

from functools import lru_cache

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

__all__ = ["checksum_address"]


@lru_cache(maxsize=65_536)
def checksum_address(address: str | bytes) -> ChecksumAddress:
    """An address in checksum form; the same few come again and again in a history.

    Raises:
        ValueError: It is none.
    """
    return to_checksum_address(address)
