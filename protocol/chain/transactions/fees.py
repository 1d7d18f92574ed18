"""What to offer for gas (EIP-1559): pure decisions, in wei a unit of gas."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fees", "Quote", "first_fees", "raised_fees"]

# The base fee grows by an eighth a block at most: enough for six full blocks.
_BASE_FEE_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Quote:
    """What gas costs now.

    Attributes:
        base_fee: That of the last block.
        tip: What the node suggests on top.
        block_gas: Most gas of a block.
    """

    base_fee: int
    tip: int
    block_gas: int


@dataclass(frozen=True, slots=True)
class Fees:
    """An offer.

    Attributes:
        most: Most to pay for a unit, base fee and tip together.
        tip: Most of it for whoever makes the block.
    """

    most: int
    tip: int


def first_fees(quote: Quote, cap: int | None) -> Fees | None:
    """Fees of a new transaction; None when gas costs more than the cap.

    Args:
        quote: What gas costs now.
        cap: Most to pay for a unit; None for any price.
    """
    most = _BASE_FEE_FACTOR * quote.base_fee + quote.tip
    if cap is None:
        return Fees(most, quote.tip)
    if quote.base_fee > cap:
        return None
    return Fees(min(most, cap), min(quote.tip, cap))


def raised_fees(old: Fees, quote: Quote, cap: int | None) -> Fees | None:
    """Fees with which nodes let a transaction replace one of the same nonce.

    They ask for a tenth more of both; an eighth more is safe everywhere.

    Args:
        old: The fees so far.
        quote: What gas costs now.
        cap: Most to pay for a unit; None for any price.

    Returns:
        None when the cap leaves too little room, or gas costs more than it.
    """
    most, tip = _eighth_more(old.most), _eighth_more(old.tip)
    if cap is not None and cap < max(most, tip, quote.base_fee):
        return None
    tip = max(tip, quote.tip)
    most = max(most, _BASE_FEE_FACTOR * quote.base_fee + tip)
    if cap is None:
        return Fees(most, tip)
    return Fees(min(most, cap), min(tip, cap))


def _eighth_more(fee: int) -> int:
    return fee + fee // 8 + 1
