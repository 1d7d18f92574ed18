from __future__ import annotations

import pytest

from protocol.errors import ConfigError, StoreUnavailable
from protocol.host.backoff import Pauses, Tolerance


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_is_paused_after_each_failure_for_twice_as_long_up_to_a_limit() -> None:
    clock = Clock()
    pauses = Pauses(first_seconds=1, longest_seconds=3, clock=clock)
    lengths = []
    for _ in range(4):
        pauses.fail("a")
        before = clock.now
        while pauses.is_paused("a"):
            clock.now += 0.5
        lengths.append(clock.now - before)

    assert lengths == [1, 2, 3, 3]


def test_is_paused_is_of_one_key_and_ends_when_cleared() -> None:
    clock = Clock()
    pauses = Pauses(first_seconds=1, longest_seconds=8, clock=clock)
    pauses.fail("a")
    assert pauses.is_paused("a") and not pauses.is_paused("b")
    pauses.clear("a")
    assert not pauses.is_paused("a")
    pauses.fail("a")
    clock.now += 1

    assert not pauses.is_paused("a")


def test_fail_long_after_a_pause_starts_anew_and_forgets_other_keys() -> None:
    clock = Clock()
    pauses = Pauses(first_seconds=1, longest_seconds=8, clock=clock)
    for _ in range(3):
        pauses.fail("a")
    pauses.fail("b")
    clock.now += 4 + 8 + 1
    pauses.fail("a")
    clock.now += 1

    assert not pauses.is_paused("a")
    assert list(pauses._pauses) == ["a"]


def test_bear_raises_what_came_too_often_in_a_row() -> None:
    tolerance = Tolerance(2)
    for number in (1, 2):
        with tolerance.bear("it failed"):
            raise StoreUnavailable(str(number))
    tolerance.failures = 0
    for number in (3, 4):
        with tolerance.bear("it failed"):
            raise StoreUnavailable(str(number))
    with pytest.raises(StoreUnavailable, match="5"), tolerance.bear("it failed"):
        raise StoreUnavailable("5")


def test_bear_raises_what_will_not_pass_at_once() -> None:
    with pytest.raises(ConfigError), Tolerance(9).bear("it failed"):
        raise ConfigError("wrong")
    with Tolerance(9, lambda error: True).bear("it failed"):
        raise ConfigError("wrong, for now")
