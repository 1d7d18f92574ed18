from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest

from protocol.errors import MarketError, RpcUnavailable, StoreError, WaitTimedOut
from worker.drain import Drain
from worker.loop import run_loop
from worker.monitoring.presence import Monitor
from worker.process.signals import Stop


@dataclass(slots=True)
class Script:
    """A worker whose steps are noted, and fail or stop it when the script says so."""

    stop: Stop = field(default_factory=Stop)
    steps: list[str] = field(default_factory=list)
    faults: list[MarketError | None] = field(default_factory=list)
    drain_answers: list[bool | MarketError] = field(default_factory=list)
    at: dict[int, Callable[[], None]] = field(default_factory=dict)

    def tick(self) -> None:
        self.steps.append("tick")
        self.at.get(self.steps.count("tick"), lambda: None)()
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    def tend(self) -> None:
        self.steps.append("tend")

    def take_news(self) -> None:
        pass

    def begin_drain(self) -> Drain:
        self.steps.append("drain")
        return cast(Drain, self)

    def is_done(self, *, closes_seats: bool) -> bool:
        self.steps.append(f"done? {closes_seats}")
        answer = self.drain_answers.pop(0)
        if isinstance(answer, MarketError):
            raise answer
        return answer

    def run(self) -> Monitor:
        monitor = Monitor()
        run_loop(self, self.stop, monitor, poll_seconds=0.001)
        return monitor


def test_run_loop_ticks_and_looks_after_things_until_stopped() -> None:
    script = Script()
    script.at[2] = script.stop.set
    script.run()
    assert script.steps == ["tick", "tend", "tick", "tend"]


def test_run_loop_told_to_drain_takes_on_nothing_new() -> None:
    script = Script(drain_answers=[False, True])
    script.at[2] = lambda: script.stop.drain(closes_seats=True)
    monitor = script.run()
    assert script.steps == [
        *("tick", "tend"),
        *("tick", "drain", "done? True"),
        *("tick", "done? True"),
    ]
    assert "drain" in monitor.health.obstacles()
    assert b"assay_worker_draining 1.0" in monitor.metrics.exposition()


def test_run_loop_stopped_while_draining_does_not_wait() -> None:
    script = Script(drain_answers=[False, False])
    script.stop.drain(closes_seats=False)
    script.at[2] = script.stop.set
    script.run()
    assert script.steps.count("tick") == 2


def test_run_loop_when_a_step_fails_goes_on() -> None:
    script = Script(faults=[StoreError("no such bytes")])
    script.at[2] = script.stop.set
    script.run()
    assert script.steps == ["tick", "tend", "tick", "tend"]


def test_run_loop_when_the_chain_is_away_counts_it_and_looks_after_nothing() -> None:
    script = Script(faults=[RpcUnavailable("no answer")])
    script.at[1] = script.stop.set
    monitor = script.run()
    assert script.steps == ["tick"]
    assert b"assay_worker_chain_failures_total 1.0" in monitor.metrics.exposition()


def test_run_loop_when_the_drain_cannot_see_asks_again() -> None:
    script = Script(drain_answers=[RpcUnavailable("no answer"), True])
    script.stop.drain(closes_seats=True)
    script.run()
    assert script.steps.count("done? True") == 2


def test_run_loop_when_the_drain_takes_too_long_says_so() -> None:
    script = Script(drain_answers=[WaitTimedOut("2 jobs are unfinished")])
    script.stop.drain(closes_seats=True)
    with pytest.raises(WaitTimedOut, match="2 jobs"):
        script.run()
