"""What is offered for gas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocol.chain.transactions.fees import Fees, Quote, first_fees, raised_fees

WEI = st.integers(0, 10**15)
CAPS = st.none() | st.integers(0, 10**15)
QUOTES = st.builds(Quote, base_fee=WEI, priority_fee=WEI, block_gas=st.just(30_000_000))


def _quote(base_fee: int, priority_fee: int) -> Quote:
    return Quote(base_fee=base_fee, priority_fee=priority_fee, block_gas=30_000_000)


def test_first_fees_leave_room_for_dearer_blocks() -> None:
    assert first_fees(_quote(100, 3), None) == Fees(max_fee=203, priority_fee=3)


def test_first_fees_under_a_cap_keep_below_it() -> None:
    assert first_fees(_quote(100, 3), 150) == Fees(max_fee=150, priority_fee=3)
    assert first_fees(_quote(100, 300), 150) == Fees(max_fee=150, priority_fee=150)
    assert first_fees(_quote(100, 3), 100) == Fees(max_fee=100, priority_fee=3)


def test_first_fees_above_the_cap_are_none() -> None:
    assert first_fees(_quote(101, 0), 100) is None


def test_raised_fees_follow_a_base_fee_that_jumped() -> None:
    assert raised_fees(Fees(203, 3), _quote(1_000, 3), None) == Fees(2_004, 4)


def test_raised_fees_of_nothing_are_something() -> None:
    assert raised_fees(Fees(0, 0), _quote(0, 0), None) == Fees(1, 1)


def test_raised_fees_without_room_below_the_cap_are_none() -> None:
    assert raised_fees(Fees(100, 1), _quote(10, 1), 112) is None
    assert raised_fees(Fees(100, 1), _quote(10, 1), 113) == Fees(113, 2)
    assert raised_fees(Fees(100, 1), _quote(200, 1), 150) is None


@given(QUOTES, CAPS)
def test_first_fees_whatever_is_quoted_can_be_mined(
    quote: Quote, cap: int | None
) -> None:
    fees = first_fees(quote, cap)
    if fees is None:
        assert cap is not None
        assert cap < quote.base_fee
        return
    assert quote.base_fee <= fees.max_fee
    assert 0 <= fees.priority_fee <= fees.max_fee
    assert cap is None or fees.max_fee <= cap


@given(QUOTES, QUOTES, CAPS)
def test_raised_fees_whatever_is_quoted_replace_the_old(
    before: Quote, now: Quote, cap: int | None
) -> None:
    old = first_fees(before, None)
    assert old is not None
    new = raised_fees(old, now, cap)
    if new is None:
        assert cap is not None
        return
    # Geth wants a tenth more of both.
    assert new.max_fee * 10 >= old.max_fee * 11
    assert new.priority_fee * 10 >= old.priority_fee * 11
    assert now.base_fee <= new.max_fee
    assert new.priority_fee <= new.max_fee
    assert cap is None or new.max_fee <= cap
