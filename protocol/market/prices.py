"""What a job costs, before and after: the Python twin of the marketplace's sums."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from protocol.market.terms import MarketConfig
from protocol.market.types import JobParams, ModelSpec

__all__ = [
    "BASIS_POINTS",
    "Estimate",
    "PromptCost",
    "escrow_of",
    "estimate",
    "max_job_tokens",
    "no_show_penalty",
    "pay_of",
    "price_of",
    "text_price",
]

BASIS_POINTS = 10_000
# One for a round's draw, one for its end.
_BOUNTIES_A_ROUND = 2


@dataclass(frozen=True, slots=True)
class PromptCost:
    """One prompt's part of the price.

    Attributes:
        prompt_tokens: Tokens of the prompt itself.
        new_tokens: Most tokens that it may generate.
        asked_tokens: What was asked for before a token budget lowered it.
        max_cost: Most that its tokens cost, over all workers, units.
        min_cost: Their cost if nothing is generated and a bare quorum is paid, units.
    """

    prompt_tokens: int
    new_tokens: int
    asked_tokens: int
    max_cost: int
    min_cost: int

    @property
    def is_lowered(self) -> bool:
        """Whether the budget cut what it may generate."""
        return self.new_tokens < self.asked_tokens


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job locks and what it can cost, in units of the escrow token.

    Attributes:
        escrow: Locked on posting, the most it can cost; what is not used comes back.
        min_cost: Cost if just a quorum is paid and nothing is generated.
        price: Price of a token for one worker.
        pay: Most that one seat earns.
        seat_bond: What a seat stands to lose.
        base_fee: Part of `pay` that does not depend on tokens.
        bounties: Most that movers of the job earn.
        fee: Most that the protocol takes.
        max_tokens: Bound on the job's tokens.
        redundancy: Workers of the first round.
        rounds: Rounds that are paid for, should the first be split.
        quorum: Equal answers needed.
        prompts: Each prompt's part.
    """

    escrow: int
    min_cost: int
    price: int
    pay: int
    seat_bond: int
    base_fee: int
    bounties: int
    fee: int
    max_tokens: int
    redundancy: int
    rounds: int
    quorum: int
    prompts: tuple[PromptCost, ...]

    @property
    def lowered_count(self) -> int:
        """How many prompts may generate less than they asked for."""
        return sum(prompt.is_lowered for prompt in self.prompts)

    @property
    def is_verified(self) -> bool:
        """Whether a second worker has to agree; one alone proves nothing."""
        return self.quorum > 1


def price_of(spec: ModelSpec, tick: int) -> int:
    """Units that one token costs at a tick, for one worker."""
    return spec.base_price << tick


def pay_of(config: MarketConfig, price: int, tokens: int) -> int:
    """Units that a seat earns for agreeing on `tokens` tokens."""
    return config.base_fee + tokens * price


def max_job_tokens(config: MarketConfig, price: int) -> int:
    """Most tokens of a job: none of its seats may earn more than its bond."""
    within_bond = (config.seat_bond - config.base_fee) // price
    return min(config.max_job_tokens, within_bond)


def no_show_penalty(config: MarketConfig) -> int:
    """Units of its bond that a seat loses for not committing."""
    return config.seat_bond * config.no_show_bps // BASIS_POINTS


def text_price(config: MarketConfig, price: int, pays: Iterable[int]) -> int:
    """Units that one token of a settled job cost, over all workers.

    Args:
        config: The marketplace's constructor arguments.
        price: Price of a token for one worker.
        pays: What each worker was paid; one that got the base fee alone was paid for
            no token.
    """
    return price * sum(pay > config.base_fee for pay in pays)


def escrow_of(config: MarketConfig, spec: ModelSpec, params: JobParams) -> int:
    """Units that posting such a job locks: `escrowOf` of the marketplace."""
    pay = pay_of(config, price_of(spec, params.tick), params.max_tokens)
    return _with_fee(config, params.max_places * pay + _bounties(config, params))


def estimate(
    config: MarketConfig,
    spec: ModelSpec,
    params: JobParams,
    prompt_tokens: Sequence[int],
    new_tokens: Sequence[int],
    asked_tokens: Sequence[int] | None = None,
) -> Estimate:
    """Prices a job.

    Args:
        config: The marketplace's constructor arguments.
        spec: The model and its terms.
        params: The job; its `max_tokens` bounds the sum of the tokens given here.
        prompt_tokens: Tokens of each prompt.
        new_tokens: Most tokens that each may generate.
        asked_tokens: The same before a budget lowered them.

    Returns:
        The estimate.
    """
    price = price_of(spec, params.tick)
    escrow = escrow_of(config, spec, params)
    max_paid = params.max_places * pay_of(config, price, params.max_tokens)
    # The least that an accepted job pays: a bare quorum in the first round, which ends
    # by the last reveal.
    min_paid = params.quorum * pay_of(config, price, sum(prompt_tokens)) + config.bounty
    if params.has_callback:
        min_paid += config.bounty
    rows = zip(prompt_tokens, new_tokens, asked_tokens or new_tokens, strict=True)
    bounties = _bounties(config, params)
    return Estimate(
        escrow=escrow,
        min_cost=_with_fee(config, min_paid),
        price=price,
        pay=pay_of(config, price, params.max_tokens),
        seat_bond=config.seat_bond,
        base_fee=config.base_fee,
        bounties=bounties,
        fee=escrow - max_paid - bounties,
        max_tokens=params.max_tokens,
        redundancy=params.redundancy,
        rounds=params.max_rounds,
        quorum=params.quorum,
        prompts=tuple(_prompt_cost(params, price, *row) for row in rows),
    )


def _prompt_cost(
    params: JobParams, price: int, own: int, new: int, asked: int
) -> PromptCost:
    return PromptCost(
        prompt_tokens=own,
        new_tokens=new,
        asked_tokens=asked,
        max_cost=params.max_places * (own + new) * price,
        min_cost=params.quorum * own * price,
    )


def _bounties(config: MarketConfig, params: JobParams) -> int:
    """Bounties of every round, and one of the delivery where a callback is set."""
    count = _BOUNTIES_A_ROUND * params.max_rounds + params.has_callback
    return count * config.bounty


def _with_fee(config: MarketConfig, paid: int) -> int:
    return paid + paid * config.fee_bps // BASIS_POINTS
