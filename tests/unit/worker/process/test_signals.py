from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from worker.process.signals import Stop, stop_on_signals

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("on_stop", "closes"), [("leave", True), ("finish", False)])
def test_first_signal_asks_to_finish_and_the_second_to_stop(
    number: signal.Signals, on_stop: str, closes: bool
) -> None:
    stop = stop_on_signals(on_stop=on_stop)
    send(number)
    assert (stop.is_draining, stop.closes_seats, stop.is_set()) == (True, closes, False)
    send(number)
    assert stop.is_set()
    with pytest.raises(KeyboardInterrupt):
        send(number)


def test_first_signal_of_a_worker_that_stops_at_once_stops_it() -> None:
    stop = stop_on_signals()
    send(signal.SIGTERM)
    assert stop.is_set() and not stop.is_draining
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGTERM)


def test_drain_command_gives_up_seats_whatever_the_setting() -> None:
    stop = stop_on_signals(on_stop="finish")
    send(signal.SIGTERM)
    assert not stop.closes_seats
    send(signal.SIGUSR1)
    assert stop.closes_seats and not stop.is_set()


def test_drain_asked_twice_never_takes_seats_back() -> None:
    stop = Stop()
    stop.drain(closes_seats=True)
    stop.drain(closes_seats=False)
    assert stop.closes_seats
