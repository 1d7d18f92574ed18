"""A receipt, as far as it is not about events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocol.errors import RpcUnavailable

__all__ = ["Mined", "mined_of"]


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction that is in a block, whether it succeeded or not.

    Attributes:
        tx_hash: Of the one of its nonce that was mined.
        receipt: As the node wrote it.
        gas_used: Gas that it took.
        gas_price: Wei paid for a unit.
    """

    tx_hash: str
    receipt: dict[str, Any]
    gas_used: int
    gas_price: int


def mined_of(tx_hash: str, receipt: Mapping[str, Any]) -> Mined:
    """Read a receipt.

    Args:
        tx_hash: Of the transaction.
        receipt: As the node wrote it.

    Raises:
        RpcUnavailable: It is malformed.
    """
    try:
        return Mined(
            tx_hash=tx_hash,
            receipt=dict(receipt),
            gas_used=int(receipt["gasUsed"], 16),
            gas_price=int(receipt["effectiveGasPrice"], 16),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"malformed receipt of {tx_hash}: {error}") from error
