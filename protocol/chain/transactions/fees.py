"""What to offer for gas (EIP-1559), in wei a unit of gas."""

from __future__ import annotations

from dataclasses import dataclass

from web3 import Web3

__all__ = ["Fees", "Quote", "fetch_quote", "first_fees", "raised_fees"]

# The base fee grows by an eighth a block at most: enough for six full blocks.
_BASE_FEE_FACTOR = 2


@dataclass(frozen=True, slots=True)
class Quote:
    """What gas costs now.

    Attributes:
        base_fee: That of the last block.
        priority_fee: What the node suggests on top.
        block_gas: Gas limit of a block.
    """

    base_fee: int
    priority_fee: int
    block_gas: int


@dataclass(frozen=True, slots=True)
class Fees:
    """An offer.

    Attributes:
        max_fee: Most to pay for a unit, base fee and tip together.
        priority_fee: Most of it for whoever makes the block.
    """

    max_fee: int
    priority_fee: int

    def to_fields(self) -> dict[str, int]:
        """The offer as a transaction holds it."""
        return {"maxFeePerGas": self.max_fee, "maxPriorityFeePerGas": self.priority_fee}


def fetch_quote(web3: Web3) -> Quote:
    """What gas costs now. Raises RpcUnavailable."""
    block = web3.eth.get_block("latest")
    base_fee = block.get("baseFeePerGas", 0)
    # `eth_gasPrice` is base fee plus the priority fee that the node suggests.
    priority_fee = max(web3.eth.gas_price - base_fee, 0)
    return Quote(
        base_fee=base_fee, priority_fee=priority_fee, block_gas=block["gasLimit"]
    )


def first_fees(quote: Quote, cap: int | None) -> Fees | None:
    """Fees of a new transaction; None when gas costs more than the cap.

    Args:
        quote: What gas costs now.
        cap: Most to pay for a unit; None for any price.
    """
    max_fee = _BASE_FEE_FACTOR * quote.base_fee + quote.priority_fee
    if cap is None:
        return Fees(max_fee, quote.priority_fee)
    if quote.base_fee > cap:
        return None
    return Fees(min(max_fee, cap), min(quote.priority_fee, cap))


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
    max_fee, priority_fee = _eighth_more(old.max_fee), _eighth_more(old.priority_fee)
    if cap is not None and cap < max(max_fee, priority_fee, quote.base_fee):
        return None
    priority_fee = max(priority_fee, quote.priority_fee)
    max_fee = max(max_fee, _BASE_FEE_FACTOR * quote.base_fee + priority_fee)
    if cap is None:
        return Fees(max_fee, priority_fee)
    return Fees(min(max_fee, cap), min(priority_fee, cap))


def _eighth_more(fee: int) -> int:
    return fee + fee // 8 + 1
