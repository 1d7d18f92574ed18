from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.rate_limits import Bucket


def test_taken_from_a_full_bucket_waits_for_nothing() -> None:
    after, wait = Bucket(60, 60.0, 100.0).taken(100.0)
    assert (after.level, wait) == (59.0, 0.0)


def test_taken_from_an_empty_bucket_waits_for_one_call() -> None:
    bucket = Bucket(60, 0.25, 100.0)
    after, wait = bucket.taken(100.0)
    assert wait == pytest.approx(0.75)
    assert after.level == 0.25


def test_taken_after_a_pause_is_refilled_up_to_the_capacity() -> None:
    after, wait = Bucket(60, 0.0, 100.0).taken(1_000.0)
    assert (after.level, wait) == (59.0, 0.0)


def test_taken_with_a_clock_that_went_back_refills_nothing() -> None:
    after, _ = Bucket(60, 5.0, 100.0).taken(90.0)
    assert after.level == 4.0


@given(
    st.integers(1, 1_000),
    st.lists(st.floats(0, 30, allow_nan=False), max_size=200),
)
def test_taken_over_any_time_lets_no_more_through_than_the_rate(
    capacity: int, pauses: list[float]
) -> None:
    bucket, now, passed = Bucket(capacity, float(capacity), 0.0), 0.0, 0
    for pause in pauses:
        now += pause
        bucket, wait = bucket.taken(now)
        passed += wait == 0.0
    assert passed <= capacity + now * capacity / 60 + 1e-6
