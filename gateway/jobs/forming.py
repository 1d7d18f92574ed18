"""Which waiting calls become a job together, and when. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gateway.jobs.market_access import JobLimits

__all__ = ["Waiting", "due_groups"]


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
    terms: str
    prompts: int
    tokens: int
    since: float


def due_groups(
    waiting: Iterable[Waiting],
    now: float,
    window_seconds: float,
    limits_of: Callable[[str], JobLimits],
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
    by_terms: dict[str, list[Waiting]] = {}
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
