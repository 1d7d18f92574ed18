from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.jobs.sharing import (
    Bill,
    JobLimits,
    Share,
    Waiting,
    due_groups,
    split_bill,
    split_evenly,
)
from gateway.jobs.terms import JobTerms
from protocol.market.types import ModelId

LIMITS = JobLimits(prompts=4, tokens=100)
WINDOW = 1.0


def a_call(
    name: str,
    *,
    since: float = 0.0,
    tick: int = 0,
    prompts: int = 1,
    tokens: int = 10,
) -> Waiting:
    terms = JobTerms(ModelId(bytes(32)), tick, 3, 1)
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
    calls = (a_call("a"), a_call("b", tick=1), a_call("c"))
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


# ---------------------------------------------------------------- who pays what

AMOUNTS = st.integers(0, 1 << 96)
WEIGHTS = st.lists(st.integers(0, 1 << 40), min_size=1, max_size=40).filter(any)

BASE_FEE, BOUNTY, FEE_BPS, PRICE = 20_000, 10_000, 100, 2


def cost_alone(prompts: int, tokens: int, places: int) -> int:
    """What posting such a call by itself locks: the twin of `escrow_of`."""
    paid = places * (BASE_FEE + tokens * PRICE) + 2 * BOUNTY
    return paid + paid * FEE_BPS // 10_000


@given(AMOUNTS, WEIGHTS)
def test_split_evenly_of_any_amount_adds_up(amount: int, weights: list[int]) -> None:
    parts = split_evenly(amount, weights)
    assert sum(parts) == amount
    total = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * total - amount * weight) < total


@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.integers(1, 400), st.integers(0, 400)),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from([1, 3, 5]),
    st.booleans(),
)
def test_split_bill_of_any_job_charges_its_whole_cost_within_reservations(
    calls: list[tuple[int, int, int]], places: int, is_advanced: bool
) -> None:
    # Prompts, tokens of them, tokens generated out of at most 400.
    used = [own * prompts + new for prompts, own, new in calls]
    shares = [
        Share(
            prompts,
            own * prompts + new,
            cost_alone(prompts, own * prompts + 400, places),
        )
        for prompts, own, new in calls
    ]
    paid = places * (BASE_FEE + sum(used) * PRICE) + BOUNTY * (1 + is_advanced)
    bill = Bill(paid, paid * FEE_BPS // 10_000, PRICE * places)
    charges = split_bill(bill, shares)
    # The gateway bears nothing: sharing a job is never dearer than a job alone.
    assert sum(charges) == bill.cost
    assert all(c <= s.reserved for c, s in zip(charges, shares, strict=True))


def test_split_bill_beyond_a_reservation_is_cut_there() -> None:
    bill = Bill(paid=1_000, fee=10, token_price=1)
    assert split_bill(bill, [Share(1, 10, 500), Share(1, 10, 900)]) == [500, 505]


def test_split_bill_of_equal_calls_charges_them_alike() -> None:
    bill = Bill(paid=301, fee=3, token_price=2)
    charges = split_bill(bill, [Share(1, 50, 400)] * 3)
    assert sum(charges) == 304
    assert max(charges) - min(charges) <= 2


def test_split_bill_of_a_free_job_charges_nothing() -> None:
    bill = Bill(paid=0, fee=0, token_price=2)
    assert split_bill(bill, [Share(1, 50, 400), Share(2, 9, 400)]) == [0, 0]
