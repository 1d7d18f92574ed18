"""The loop of a worker's life: tick, rest, and leave in good order when asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from protocol.errors import MarketError, RpcUnavailable, WaitTimedOut
from worker.drain import Drain
from worker.monitoring.presence import Monitor
from worker.process.signals import Stop

__all__ = ["LoopSteps", "run_loop"]

logger = logging.getLogger(__name__)

_RPC_PAUSE_SECONDS = 2.0
_NEWS_SECONDS = 0.05


class LoopSteps(Protocol):
    """What the loop has a worker do."""

    def tick(self) -> None:
        """Read the chain, and do what follows from it."""
        ...

    def tend(self) -> None:
        """After a tick, unless draining: answer requests, and open seats."""
        ...

    def take_news(self) -> None:
        """Often between ticks: go on with what has ended meanwhile."""
        ...

    def begin_drain(self) -> Drain:
        """Once, when a drain is first asked for."""
        ...


def run_loop(
    steps: LoopSteps, stop: Stop, monitor: Monitor, *, poll_seconds: float
) -> None:
    """Tick until told to stop, or until a drain is done.

    Args:
        steps: What to do.
        stop: Whether to drain, or to stop.
        monitor: Told how it goes.
        poll_seconds: Pause between ticks.

    Raises:
        WaitTimedOut: The drain took too long; something is owed still.
    """
    drain: Drain | None = None
    monitor.health.loaded()
    while not stop.is_set():
        started = time.monotonic()
        is_well = _attempt(steps.tick, monitor)
        if not stop.is_draining:
            is_well = is_well and _attempt(steps.tend, monitor)
        else:
            if drain is None:
                drain = steps.begin_drain()
                monitor.health.draining()
                monitor.metrics.set_draining(True)
            if _is_done(drain, stop):
                return
        monitor.metrics.ticked(time.time(), time.monotonic() - started)
        monitor.health.ticked()
        if is_well:
            _rest(steps, stop, monitor, poll_seconds)
        else:
            stop.wait(max(poll_seconds, _RPC_PAUSE_SECONDS))


def _rest(steps: LoopSteps, stop: Stop, monitor: Monitor, seconds: float) -> None:
    """Wait for the next tick, and work on what needs no new block."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stop.wait(min(left, _NEWS_SECONDS)):
            return
        if not _attempt(steps.take_news, monitor):
            return


def _attempt(step: Callable[[], None], monitor: Monitor) -> bool:
    """Whether the chain could be seen."""
    try:
        step()
    except RpcUnavailable as error:
        logger.warning("chain unavailable", extra={"reason": str(error)})
        monitor.metrics.chain_unavailable()
        return False
    except MarketError as error:
        logger.error("step failed", extra={"reason": str(error)})
    return True


def _is_done(drain: Drain, stop: Stop) -> bool:
    try:
        return drain.is_done(closes_seats=stop.closes_seats)
    except WaitTimedOut:
        raise
    except MarketError as error:
        logger.warning("drain waits", extra={"reason": str(error)})
        return False
