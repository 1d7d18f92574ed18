from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from protocol.errors import RpcUnavailable
from tests.support.machines.processes import eventually
from tests.unit.protocol.host.test_backoff import Clock
from worker.process.background import Errands
from worker.seats.gate import SeatGate

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
    errands: Errands = field(default_factory=lambda: Errands(threads=1))
    gate: SeatGate = field(init=False)

    def __post_init__(self) -> None:
        guard: Any = self.guard
        self.gate = SeatGate(
            guard,
            self.errands,
            close_seats=self.hall.close,
            open_seats=self.hall.open,
            clock=self.clock,
        )

    def look_after(self, seconds: float) -> None:
        self.clock.now += seconds
        self.gate.look()
        assert eventually(self._is_settled)

    def _is_settled(self) -> bool:
        self.errands.settle()
        return self.errands.count == 0


def test_look_closes_after_gas_was_dear_for_long_and_opens_after_it_was_cheap() -> None:
    bench = Bench()
    bench.guard.is_worth = False
    bench.look_after(0)
    bench.look_after(LASTING - 1)
    assert bench.hall.done == []
    bench.look_after(1)
    bench.look_after(LASTING)
    assert bench.hall.done == ["closed"]

    bench.guard.is_worth = True
    bench.look_after(0)
    bench.look_after(LASTING - 1)
    assert bench.hall.done == ["closed"]
    bench.look_after(1)
    bench.look_after(LASTING)
    assert bench.hall.done == ["closed", "opened"]
    bench.errands.close()


def test_look_at_a_price_that_does_not_last_changes_nothing() -> None:
    bench = Bench()
    for _ in range(5):
        bench.guard.is_worth = False
        bench.look_after(LASTING / 2)
        bench.guard.is_worth = True
        bench.look_after(LASTING / 2)
    assert bench.hall.done == []
    bench.errands.close()


def test_look_after_closing_failed_tries_again_later() -> None:
    bench = Bench()
    bench.guard.is_worth = False
    bench.hall.fails = True
    bench.look_after(0)
    bench.look_after(LASTING)
    bench.hall.fails = False
    bench.look_after(0)
    assert bench.hall.done == []
    bench.look_after(LASTING)
    assert bench.hall.done == ["closed"]
    bench.errands.close()
