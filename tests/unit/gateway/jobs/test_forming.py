from __future__ import annotations

from gateway.jobs.forming import Waiting, due_groups
from gateway.jobs.market_access import JobLimits

LIMITS = JobLimits(prompts=4, tokens=100)
WINDOW = 1.0


def a_call(
    name: str,
    *,
    since: float = 0.0,
    terms: str = "x",
    prompts: int = 1,
    tokens: int = 10,
) -> Waiting:
    return Waiting(name, terms, prompts, tokens, since)


def names(groups: list[list[Waiting]]) -> list[list[str]]:
    return [[call.call_id for call in group] for group in groups]


def due(*calls: Waiting, now: float) -> list[list[str]]:
    return names(due_groups(calls, now, WINDOW, lambda terms: LIMITS))


def test_due_groups_within_the_window_waits_for_more() -> None:
    assert due(a_call("a"), a_call("b", since=0.9), now=0.99) == []


def test_due_groups_after_the_oldest_calls_window_takes_all_that_came() -> None:
    assert due(a_call("a"), a_call("b", since=0.9), now=1.0) == [["a", "b"]]


def test_due_groups_of_other_terms_share_no_job() -> None:
    calls = (a_call("a"), a_call("b", terms="y"), a_call("c"))
    assert due(*calls, now=2.0) == [["a", "c"], ["b"]]


def test_due_groups_that_are_full_of_prompts_do_not_wait() -> None:
    calls = [a_call("a", prompts=3), a_call("b", prompts=2), a_call("c")]
    assert due(*calls, now=0.5) == [["a"]]
    assert due(*calls, now=1.0) == [["a"], ["b", "c"]]


def test_due_groups_that_are_full_of_tokens_do_not_wait() -> None:
    calls = [a_call("a", tokens=60), a_call("b", tokens=40), a_call("c", tokens=1)]
    assert due(*calls, now=0.5) == [["a", "b"]]


def test_due_groups_of_no_calls_is_empty() -> None:
    assert due(now=5.0) == []


def test_due_groups_takes_a_call_that_fills_a_job_alone() -> None:
    assert due(a_call("a", prompts=9), now=1.0) == [["a"]]
