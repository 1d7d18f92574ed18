"""Fitting a batch into a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.errors import RequestError

__all__ = ["fit_new_tokens"]


def fit_new_tokens(
    prompt_tokens: Sequence[int], new_tokens: Sequence[int], budget: int
) -> tuple[int, ...]:
    """Lowers what prompts may generate until the whole job fits its budget.

    The longest wishes are cut first, to one common length, so that no prompt is cut
    while another may generate more.

    Args:
        prompt_tokens: Tokens of each prompt itself.
        new_tokens: Tokens that each prompt asks for, at least one.
        budget: Most tokens of the job, prompts and answers together.

    Returns:
        Tokens that each prompt may generate, at least one; the sum uses up the budget
        if anything was lowered.

    Raises:
        RequestError: The budget does not even hold the prompts and a token for each.
    """
    asked = sum(prompt_tokens)
    available = budget - asked
    if available < len(new_tokens):
        raise RequestError(
            f"the token budget is {budget}, but the prompts alone have {asked} tokens "
            f"and need one more each: {asked + len(new_tokens)}; raise "
            "max_job_tokens, shorten the prompts or split the job"
        )
    if sum(new_tokens) <= available:
        return tuple(new_tokens)
    level = _common_length(new_tokens, available)
    fitted = [min(wish, level) for wish in new_tokens]
    spare = available - sum(fitted)
    for place, wish in enumerate(new_tokens):
        if spare > 0 and wish > level:
            fitted[place] += 1
            spare -= 1
    return tuple(fitted)


def _common_length(new_tokens: Sequence[int], available: int) -> int:
    """The largest cut at which all prompts together fit."""
    remaining = available
    for place, wish in enumerate(sorted(new_tokens)):
        share = remaining // (len(new_tokens) - place)
        if wish > share:
            return share
        remaining -= wish
    return max(new_tokens)
