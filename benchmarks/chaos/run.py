"""One run: start, let things go wrong, let the jobs end, count."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.chaos.crew import Crew, crew
from benchmarks.chaos.faults import Fault, draw_faults
from benchmarks.chaos.report import Count, count

__all__ = ["ChaosPlan", "ChaosResult", "play"]

_TEND_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """What to play.

    Attributes:
        seconds: How long things go wrong.
        seed: Decides what does, and when.
        pause_seconds: Mean time between two faults.
        workers: How many workers.
        in_flight: Jobs open at a time.
        drain_seconds: How long the jobs may take to end afterwards.
    """

    seconds: float
    seed: int
    pause_seconds: float = 2.5
    workers: int = 4
    in_flight: int = 6
    drain_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class ChaosResult:
    """The result of a chaos run.

    Attributes:
        counted: Jobs and money, by the chain.
        kills: Processes killed.
        lost_results: Accepted results that the requester could not read.
        faults: How often each kind was played.
        exits: Why processes ended that nobody had killed.
    """

    counted: Count
    kills: int
    lost_results: int
    faults: dict[str, int]
    exits: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost by anybody."""
        counted = self.counted
        bad = (counted.open, counted.honest_slashed, len(counted.unaccounted))
        return not any((*bad, self.lost_results))

    def to_json(self) -> dict[str, Any]:
        """For the line that a run ends with."""
        return {
            "posted": self.counted.posted,
            "accepted": len(self.counted.accepted),
            "refunded": self.counted.refunded,
            "open": self.counted.open,
            "kills": self.kills,
            "honestSlashed": self.counted.honest_slashed,
            "unaccounted": len(self.counted.unaccounted),
            "lostResults": self.lost_results,
            "seatsClosed": self.counted.seats_closed,
            "exits": len(self.exits),
            "faults": self.faults,
        }


def play(plan: ChaosPlan, folder: Path, report: Callable[[str], None]) -> ChaosResult:
    """Run a plan.

    Args:
        plan: What to play.
        folder: An empty folder; the logs stay in it.
        report: Called with a sentence for each step.

    Raises:
        DevnetError: The processes cannot be started.
        MarketError: The market cannot be set up, or not be read in the end.
    """
    report(f"starting {plan.workers} workers")
    started = time.monotonic()
    with crew(folder, workers=plan.workers, in_flight=plan.in_flight) as running:
        faults = draw_faults(
            plan.seed,
            seconds=plan.seconds,
            pause_seconds=plan.pause_seconds,
            workers=plan.workers,
        )
        report(f"{_age(started)} letting {len(faults)} things go wrong")
        _play_all(faults, running, plan.seconds)
        report(f"{_age(started)} letting the jobs end")
        running.drain(plan.drain_seconds)
        report(f"{_age(started)} counting")
        counted = count(running.market)
        return ChaosResult(
            counted=counted,
            kills=running.kills,
            lost_results=len(counted.accepted - running.verified),
            faults={kind.value: number for kind, number in running.faults.items()},
            exits=tuple(running.exits),
        )


def _play_all(faults: list[Fault], running: Crew, seconds: float) -> None:
    started = time.monotonic()
    for fault in faults:
        _tend_until(started + fault.at, running)
        running.play(fault)
    _tend_until(started + seconds, running)


def _tend_until(moment: float, running: Crew) -> None:
    while time.monotonic() < moment:
        running.tend()
        time.sleep(_TEND_SECONDS)


def _age(started: float) -> str:
    return f"{time.monotonic() - started:6.1f} s "
