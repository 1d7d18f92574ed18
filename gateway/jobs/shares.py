"""Who pays which part of a settled job, to the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bill", "Share", "split_bill", "split_evenly"]


@dataclass(frozen=True, slots=True)
class Bill:
    """What a settled job cost, units.

    Attributes:
        paid: Pay of workers and bounties.
        fee: The protocol's fee.
        token_price: What one token of text cost: its price times the workers paid.
    """

    paid: int
    fee: int
    token_price: int

    @property
    def cost(self) -> int:
        """What did not come back."""
        return self.paid + self.fee


@dataclass(frozen=True, slots=True)
class Share:
    """One call's part in a job.

    Attributes:
        prompts: Number of its prompts.
        tokens: Tokens of its prompts and of its outputs.
        reserved: Most that it may be charged.
    """

    prompts: int
    tokens: int
    reserved: int


def split_evenly(amount: int, weights: Sequence[int]) -> list[int]:
    """Splits an amount by weight; what rounding leaves goes to the largest rests.

    Args:
        amount: Units.
        weights: At least one above zero.

    Returns:
        Parts in the order of the weights; their sum is the amount.
    """
    total = sum(weights)
    parts = [amount * weight // total for weight in weights]
    rests = [amount * weight % total for weight in weights]
    order = sorted(range(len(weights)), key=lambda place: -rests[place])
    for place in order[: amount - sum(parts)]:
        parts[place] += 1
    return parts


def split_bill(bill: Bill, shares: Sequence[Share]) -> list[int]:
    """What each call is charged.

    Tokens are paid by whoever used them. What does not depend on tokens (base fees,
    bounties) is split by prompts, the protocol's fee in proportion to both. Since a
    call reserves what it would cost alone, sharing only makes it cheaper; should
    rounding say otherwise, the gateway bears the difference.

    Returns:
        Charges in the order of the shares, none above its reservation; their sum is
        the cost, or less by what the gateway bears.
    """
    tokens = [share.tokens for share in shares]
    by_tokens = min(bill.paid, bill.token_price * sum(tokens))
    parts = split_evenly(by_tokens, tokens)
    fixed = split_evenly(bill.paid - by_tokens, [share.prompts for share in shares])
    paid = [part + base for part, base in zip(parts, fixed, strict=True)]
    fees = split_evenly(bill.fee, paid) if bill.fee else [0] * len(paid)
    return [
        min(pay + fee, share.reserved)
        for pay, fee, share in zip(paid, fees, shares, strict=True)
    ]
