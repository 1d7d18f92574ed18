from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import RequestError
from requester.jobs.token_budget import fit_new_tokens


def test_fit_new_tokens_that_fit_are_left_alone() -> None:
    assert fit_new_tokens([10, 20], [5, 7], 42) == (5, 7)


def test_fit_new_tokens_cuts_the_longest_first() -> None:
    assert fit_new_tokens([10, 10, 10], [100, 4, 100], 30 + 25) == (11, 4, 10)


@pytest.mark.parametrize("budget", [0, 29, 31])
def test_fit_new_tokens_budget_below_the_prompts_raises(budget: int) -> None:
    message = f"the token budget is {budget}, but the prompts alone have 30 tokens"
    with pytest.raises(RequestError, match=message):
        fit_new_tokens([10, 20], [5, 5], budget)


_BATCHES = st.lists(
    st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=20
)


@given(_BATCHES, st.integers(0, 500))
def test_fit_new_tokens_uses_the_budget_and_treats_all_alike(
    batch: list[tuple[int, int]], spare: int
) -> None:
    own = [first for first, _ in batch]
    wishes = [second for _, second in batch]
    available = len(batch) + spare
    fitted = fit_new_tokens(own, wishes, sum(own) + available)
    assert sum(fitted) == min(available, sum(wishes))
    assert all(1 <= got <= wish for got, wish in zip(fitted, wishes, strict=True))
    cut = [got for got, wish in zip(fitted, wishes, strict=True) if got < wish]
    # Nobody is cut while another gets more, one token of rest aside.
    assert not cut or max(fitted) <= min(cut) + 1
