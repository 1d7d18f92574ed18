from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocol.errors import RpcUnavailable
from tests.support.machines.processes import eventually
from tests.unit.protocol.host.test_backoff import Clock
from worker.process.background import TaskPool
from worker.seats.gas_gate import SeatGate

LASTING = 600.0


@dataclass
class Guard:
    is_worth: bool = True

    def are_seats_worth_it(self) -> bool:
        return self.is_worth


@dataclass
class Hall:
    """The seats, and what was done to them."""

    done: list[str] = field(default_factory=list)
    fails: bool = False

    def close(self) -> None:
        if self.fails:
            raise RpcUnavailable("down")
        self.done.append("closed")

    def open(self) -> None:
        self.done.append("opened")


@dataclass
class Bench:
    guard: Guard = field(default_factory=Guard)
    hall: Hall = field(default_factory=Hall)
    clock: Clock = field(default_factory=Clock)
    background: TaskPool = field(default_factory=lambda: TaskPool(threads=1))
    gate: SeatGate = field(init=False)

    def __post_init__(self) -> None:
        guard: Any = self.guard
        seats: Any = self.hall
        self.gate = SeatGate(
            guard,
            self.background,
            seats,
            clock=self.clock,
        )

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.gate.follow_price()
        assert eventually(self._is_settled)

    def _is_settled(self) -> bool:
        self.background.collect()
        return self.background.count == 0


def test_follow_price_closes_after_long_dear_gas_and_opens_after_cheap() -> None:
    bench = Bench()
    bench.guard.is_worth = False
    bench.wait(0)
    bench.wait(LASTING - 1)
    assert bench.hall.done == []
    bench.wait(1)
    bench.wait(LASTING)
    assert bench.hall.done == ["closed"]

    bench.guard.is_worth = True
    bench.wait(0)
    bench.wait(LASTING - 1)
    assert bench.hall.done == ["closed"]
    bench.wait(1)
    bench.wait(LASTING)
    assert bench.hall.done == ["closed", "opened"]
    bench.background.close()


def test_follow_price_that_does_not_last_changes_nothing() -> None:
    bench = Bench()
    for _ in range(5):
        bench.guard.is_worth = False
        bench.wait(LASTING / 2)
        bench.guard.is_worth = True
        bench.wait(LASTING / 2)
    assert bench.hall.done == []
    bench.background.close()


def test_follow_price_after_closing_failed_tries_again_later() -> None:
    bench = Bench()
    bench.guard.is_worth = False
    bench.hall.fails = True
    bench.wait(0)
    bench.wait(LASTING)
    bench.hall.fails = False
    bench.wait(0)
    assert bench.hall.done == []
    bench.wait(LASTING)
    assert bench.hall.done == ["closed"]
    bench.background.close()
