from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from protocol.errors import RpcUnavailable, WrongChain
from worker.process.acting import until_answered
from worker.process.signals import Stop


@dataclass(slots=True)
class Chain:
    """Answers from the nth time on; waiting for it takes no time."""

    failures: int
    asked: int = 0

    def ask(self) -> str:
        self.asked += 1
        if self.asked <= self.failures:
            raise RpcUnavailable(f"no answer {self.asked}")
        return "answer"


@dataclass(slots=True)
class Waits(Stop):
    """Time passes as it is waited for."""

    now: float = 0.0
    stops_at: float = field(default=float("inf"))

    def __post_init__(self) -> None:
        Stop.__init__(self)

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.now += timeout
        return self.now >= self.stops_at


def wait_for(chain: Chain, stop: Waits, seconds: float) -> str:
    return until_answered(chain.ask, stop, seconds=seconds, clock=lambda: stop.now)


def test_a_chain_that_comes_back_is_waited_for() -> None:
    chain, stop = Chain(failures=3), Waits()
    assert wait_for(chain, stop, 60) == "answer"
    assert chain.asked == 4


def test_a_chain_that_stays_away_is_given_up_with_its_last_words() -> None:
    chain, stop = Chain(failures=1_000), Waits()
    with pytest.raises(RpcUnavailable, match="no answer 6"):
        wait_for(chain, stop, 10)
    assert stop.now <= 10


def test_no_patience_asks_once() -> None:
    chain, stop = Chain(failures=1), Waits()
    with pytest.raises(RpcUnavailable):
        wait_for(chain, stop, 0)
    assert (chain.asked, stop.now) == (1, 0)


@pytest.mark.parametrize("is_drain", [False, True])
def test_a_wish_to_stop_ends_the_waiting(is_drain: bool) -> None:
    chain, stop = Chain(failures=1_000), Waits(stops_at=4)
    if is_drain:
        stop.drain(closes_seats=False)
    with pytest.raises(RpcUnavailable):
        wait_for(chain, stop, 600)
    assert chain.asked == (1 if is_drain else 2)


def test_what_waiting_cannot_mend_is_raised_at_once() -> None:
    stop = Waits()

    def refuse() -> None:
        raise WrongChain("another chain")

    with pytest.raises(WrongChain):
        until_answered(refuse, stop, seconds=60, clock=lambda: stop.now)
    assert stop.now == 0
