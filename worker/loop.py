"""The loop of a worker's life: tick, rest, and leave in good order when asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from protocol.errors import MarketError, RpcUnavailable, WaitTimedOut
from worker.drain import Drain
from worker.metrics import WorkerMetrics
from worker.monitoring.server import Health
from worker.process.signals import Stop

__all__ = ["LifeSigns", "run_loop"]

logger = logging.getLogger(__name__)

_RPC_PAUSE_SECONDS = 2.0
_NEWS_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class LifeSigns:
    """Who is told how the loop goes.

    Attributes:
        health: For supervisors.
        metrics: For Prometheus.
    """

    health: Health
    metrics: WorkerMetrics


def run_loop(
    tick: Callable[[], None],
    upkeep: Callable[[], None],
    stop: Stop,
    begin_drain: Callable[[], Drain],
    signs: LifeSigns,
    *,
    poll_seconds: float,
    take_news: Callable[[], None] = lambda: None,
) -> None:
    """Tick until told to stop, or until a drain is done.

    Args:
        tick: One look at the chain and what follows from it.
        upkeep: Called after a tick, unless draining: it may take on new things.
        stop: What the outside wishes.
        begin_drain: Called once, when a drain is first asked for.
        signs: Who is told.
        poll_seconds: Pause between ticks.
        take_news: Called often between ticks: takes up what has ended meanwhile.

    Raises:
        WaitTimedOut: The drain took too long; something is owed still.
    """
    drain: Drain | None = None
    signs.health.loaded()
    while not stop.is_set():
        started = time.monotonic()
        is_well = _attempt(tick, signs)
        if not stop.is_draining:
            is_well = is_well and _attempt(upkeep, signs)
        else:
            if drain is None:
                drain = begin_drain()
                signs.health.draining()
                signs.metrics.set_draining(True)
            if _is_done(drain, stop, signs):
                return
        signs.metrics.ticked(time.time(), time.monotonic() - started)
        signs.health.ticked()
        if is_well:
            _rest(stop, poll_seconds, take_news, signs)
        else:
            stop.wait(max(poll_seconds, _RPC_PAUSE_SECONDS))


def _rest(
    stop: Stop, seconds: float, take_news: Callable[[], None], signs: LifeSigns
) -> None:
    """Wait for the next tick, and work on what needs no look at the chain."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stop.wait(min(left, _NEWS_SECONDS)):
            return
        if not _attempt(take_news, signs):
            return


def _attempt(tick: Callable[[], None], signs: LifeSigns) -> bool:
    """Whether the chain could be seen."""
    try:
        tick()
    except RpcUnavailable as error:
        logger.warning("chain unavailable", extra={"reason": str(error)})
        signs.metrics.chain_unavailable()
        return False
    except MarketError as error:
        logger.error("step failed", extra={"reason": str(error)})
    return True


def _is_done(drain: Drain, stop: Stop, signs: LifeSigns) -> bool:
    try:
        return drain.is_done(closes_seats=stop.closes_seats)
    except WaitTimedOut:
        raise
    except MarketError as error:
        logger.warning("drain waits", extra={"reason": str(error)})
        return False
