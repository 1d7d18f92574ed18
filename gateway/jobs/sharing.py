"""Calls that share a job: which go together, and who pays which part. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.jobs.terms import JobTerms

__all__ = [
    "Bill",
    "JobLimits",
    "Share",
    "Waiting",
    "due_groups",
    "split_bill",
    "split_evenly",
]

# ---------------------------------------------------------------- which go together


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What one job may hold.

    Attributes:
        prompts: Number of prompts.
        tokens: Tokens of the prompts with the most that they may generate.
    """

    prompts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that is part of no job yet.

    Attributes:
        call_id: The call.
        terms: Calls of equal terms can share a job.
        prompts: Number of its prompts.
        tokens: Most tokens that it may take.
        since: When it came, Unix time.
    """

    call_id: str
    terms: JobTerms
    prompts: int
    tokens: int
    since: float


def due_groups(
    waiting: Iterable[Waiting],
    now: float,
    window_seconds: float,
    limits_of: Callable[[JobTerms], JobLimits],
) -> list[list[Waiting]]:
    """Groups of calls that become a job now.

    A group goes as soon as the next call does not fit in any more, or its oldest call
    has waited for the window.

    Args:
        waiting: Calls, oldest first.
        now: Unix time by the same clock.
        window_seconds: How long a call waits for others.
        limits_of: What a job of given terms may hold.
    """
    by_terms: dict[JobTerms, list[Waiting]] = {}
    for call in waiting:
        by_terms.setdefault(call.terms, []).append(call)
    due = []
    for terms, calls in by_terms.items():
        *full, last = _packed(calls, limits_of(terms))
        due += full
        if now - last[0].since >= window_seconds:
            due.append(last)
    return due


def _packed(calls: Sequence[Waiting], limits: JobLimits) -> list[list[Waiting]]:
    """Calls in their order, cut wherever the next one would not fit."""
    groups: list[list[Waiting]] = [[]]
    prompts = tokens = 0
    for call in calls:
        prompts, tokens = prompts + call.prompts, tokens + call.tokens
        if groups[-1] and (prompts > limits.prompts or tokens > limits.tokens):
            groups.append([])
            prompts, tokens = call.prompts, call.tokens
        groups[-1].append(call)
    return groups


# ---------------------------------------------------------------- who pays what


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

    Each call pays for its own tokens. What does not depend on tokens (base fees,
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
