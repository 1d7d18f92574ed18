"""From prompts and terms to a job that could be posted; nothing here costs anything."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from protocol.digests import Digest
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.documents.tokenizer import TokenCodec
from protocol.errors import BadDocument, RequestError
from protocol.hexadecimal import to_hex
from protocol.market.prices import Estimate, estimate
from protocol.market.terms import MarketConfig
from protocol.market.types import (
    EXACT_PROFILES,
    TICKS,
    ZERO_ADDRESS,
    JobParams,
    ModelId,
    ModelSpec,
)
from protocol.store.unixfs import file_digest
from requester.jobs.token_budget import fit_new_tokens
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest
from requester.prompts.tasks import Task
from requester.prompts.tokenising import tokenise_all

__all__ = [
    "Draft",
    "DraftMarket",
    "Terms",
    "assemble_job",
    "check_terms",
    "draft_job",
    "job_params",
    "price_job",
]

_NONCE_BITS = 64


@dataclass(frozen=True, slots=True)
class Terms:
    """What a requester chooses about a job besides its prompts.

    Attributes:
        model_id: The model; None leaves it to the settings.
        redundancy: Workers, odd. One is allowed and proves nothing.
        rounds: Rounds that are paid for, 1 or 2. If the first ends without a quorum, a
            second one of two more workers decides; what it would have cost comes back.
        tick: Price step, 0 to 7; each doubles the price and reaches more seats.
        min_seats: Least roster that the committee may be drawn from; None for as many
            as the redundancy.
        max_job_tokens: Most tokens of the job; None for the market's own limit.
        max_cost: Most units that may be locked; None for any.
        callback: Contract that is called back with the result; None for none.
        callback_gas: Gas that it gets.
    """

    model_id: ModelId | None = None
    redundancy: int = 3
    rounds: int = 1
    tick: int = 0
    min_seats: int | None = None
    max_job_tokens: int | None = None
    max_cost: int | None = None
    callback: ChecksumAddress | None = None
    callback_gas: int = 0


@dataclass(frozen=True, slots=True)
class DraftMarket:
    """What a draft depends on of the chain.

    Attributes:
        config: The marketplace's terms.
        model_id: The model asked for.
        spec: That model.
        seats: Seats at or under the tick asked for.
    """

    config: MarketConfig
    model_id: ModelId
    spec: ModelSpec
    seats: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A job that can be posted.

    Attributes:
        document: The prompts document.
        content: Its bytes; `params.prompts_digest` is their digest.
        params: The job's parameters.
        estimate: What it costs.
    """

    document: PromptsDocument
    content: bytes
    params: JobParams
    estimate: Estimate


def draft_job(
    requests: Sequence[PromptRequest],
    *,
    requester: ChecksumAddress,
    task: Task,
    decoding: Decoding,
    terms: Terms,
    market: DraftMarket,
    codec: TokenCodec,
) -> Draft:
    """Checks all that can be checked before money moves, and builds the job.

    Args:
        requests: The prompts.
        requester: Who will post it.
        task: How to frame them.
        decoding: Parameters for all of them; a prompt's own ones win. Without a seed of
            its own, prompt i gets this seed plus i, so that equal prompts differ.
        terms: The job's terms.
        market: What the chain says.
        codec: The model's tokenizer.

    Returns:
        The draft.

    Raises:
        RequestError: It could not be posted; the message says what to change.
    """
    check_terms(terms, market)
    prompts = tokenise_all(
        requests, task=task, decoding=decoding, spec=market.spec, codec=codec
    )
    return assemble_job(prompts, requester=requester, terms=terms, market=market)


def assemble_job(
    prompts: Sequence[Prompt],
    *,
    requester: ChecksumAddress,
    terms: Terms,
    market: DraftMarket,
) -> Draft:
    """Builds a job of prompts that fit the model, on terms that were checked.

    Raises:
        RequestError: It would be too large or too dear.
    """
    own = [len(prompt.ids) for prompt in prompts]
    asked = [prompt.max_new_tokens for prompt in prompts]
    new = fit_new_tokens(own, asked, _budget(terms, market.config))
    fitted = tuple(map(_limited, prompts, new))
    document = PromptsDocument(model_id=to_hex(market.model_id), prompts=fitted)
    content = _content(document)
    params = job_params(
        requester,
        terms,
        model_id=market.model_id,
        digest=file_digest(content),
        prompt_count=len(document.prompts),
        max_tokens=document.max_tokens,
    )
    costs = estimate(market.config, market.spec, params, own, new, asked)
    _check_costs(costs, terms)
    return Draft(document, content, params, costs)


def price_job(
    prompt_tokens: Sequence[int],
    new_tokens: Sequence[int],
    *,
    terms: Terms,
    market: DraftMarket,
) -> Estimate:
    """What a job would cost of which only the sizes are known.

    Args:
        prompt_tokens: Tokens of each prompt.
        new_tokens: Most tokens that each may generate.
        terms: The job's terms.
        market: What the chain says.
    """
    params = job_params(
        ZERO_ADDRESS,
        terms,
        model_id=market.model_id,
        digest=Digest(bytes(32)),
        prompt_count=len(prompt_tokens),
        max_tokens=sum(prompt_tokens) + sum(new_tokens),
    )
    return estimate(market.config, market.spec, params, prompt_tokens, new_tokens)


def check_terms(terms: Terms, market: DraftMarket) -> None:
    """Checks what does not depend on prompts.

    Raises:
        RequestError: No job could be posted on these terms, or not now.
    """
    _check_profile(market)
    if not 0 <= terms.tick < TICKS:
        raise RequestError(f"tick is {terms.tick}; give 0 to {TICKS - 1}")
    _check_redundancy(terms.redundancy, market.config.max_redundancy)
    if not 1 <= terms.rounds <= market.config.max_rounds:
        raise RequestError(
            f"rounds is {terms.rounds}; this marketplace takes 1 to "
            f"{market.config.max_rounds}"
        )
    _check_callback(terms, market.config.max_callback_gas)
    if terms.min_seats is not None and not 0 <= terms.min_seats < 1 << 32:
        raise RequestError(f"min_seats is {terms.min_seats}; give 0 or more")
    required = _required_seats(terms)
    if market.seats < required:
        name = "redundancy" if required == terms.redundancy else "min_seats"
        raise RequestError(
            f"{name} is {required}, but only {market.seats} seats serve this model at "
            f"tick {terms.tick}; lower it, raise the tick or wait for more workers"
        )


def _check_profile(market: DraftMarket) -> None:
    if not market.spec.is_exact:
        raise RequestError(
            f"model {to_hex(market.model_id)} has the profile "
            f"{market.spec.profile_name!r}, whose results may differ between machines; "
            f"use a model with one of {', '.join(sorted(EXACT_PROFILES))}"
        )


def _check_redundancy(redundancy: int, maximum: int) -> None:
    if not 1 <= redundancy <= maximum:
        raise RequestError(
            f"redundancy is {redundancy}; this marketplace takes odd numbers from 1 to "
            f"{maximum}"
        )
    if redundancy % 2 == 0:
        raise RequestError(
            f"redundancy is {redundancy}, an even number, which has no clear majority; "
            f"use {redundancy - 1}"
            + (f" or {redundancy + 1}" if redundancy < maximum else "")
        )


def _check_callback(terms: Terms, maximum: int) -> None:
    has_callback = terms.callback not in (None, ZERO_ADDRESS)
    if has_callback and not 1 <= terms.callback_gas <= maximum:
        raise RequestError(
            f"callback_gas is {terms.callback_gas}; this marketplace grants 1 to "
            f"{maximum}"
            + ("" if maximum else ", which means that it calls nobody back")
        )
    if not has_callback and terms.callback_gas != 0:
        raise RequestError(
            "callback_gas is given without a callback; name the contract"
        )


def _required_seats(terms: Terms) -> int:
    return max(terms.redundancy, terms.min_seats or 0)


def _budget(terms: Terms, config: MarketConfig) -> int:
    if terms.max_job_tokens is None:
        return config.max_job_tokens
    if terms.max_job_tokens < 1:
        raise RequestError(f"max_job_tokens is {terms.max_job_tokens}; give 1 or more")
    return min(terms.max_job_tokens, config.max_job_tokens)


def _limited(prompt: Prompt, new_tokens: int) -> Prompt:
    if new_tokens == prompt.max_new_tokens:
        return prompt
    return prompt.model_copy(update={"max_new_tokens": new_tokens})


def _content(document: PromptsDocument) -> bytes:
    try:
        return document.to_bytes()
    except BadDocument as error:
        raise RequestError(f"the batch is too large: {error}; split it") from error


def job_params(
    requester: ChecksumAddress,
    terms: Terms,
    *,
    model_id: ModelId,
    digest: Digest,
    prompt_count: int,
    max_tokens: int,
) -> JobParams:
    """Parameters of a job on these terms, with a nonce that nobody used before."""
    return JobParams(
        requester=requester,
        nonce=secrets.randbits(_NONCE_BITS),
        model_id=model_id,
        tick=terms.tick,
        prompts_digest=digest,
        prompt_count=prompt_count,
        max_tokens=max_tokens,
        redundancy=terms.redundancy,
        max_rounds=terms.rounds,
        min_seats=_required_seats(terms),
        callback=terms.callback or ZERO_ADDRESS,
        callback_gas_limit=terms.callback_gas,
    )


def _check_costs(costs: Estimate, terms: Terms) -> None:
    if costs.pay > costs.seat_bond:
        raise RequestError(
            f"a seat would earn up to {costs.pay} units, more than its bond of "
            f"{costs.seat_bond}, so lying could pay; split "
            "the batch, or lower max_job_tokens, the new tokens or the tick"
        )
    if terms.max_cost is not None and costs.escrow > terms.max_cost:
        raise RequestError(
            f"posting would lock {costs.escrow} units, max_cost is {terms.max_cost}; "
            "raise it, or lower the redundancy, the tick or the new tokens"
        )
