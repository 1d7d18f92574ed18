"""Reaching the market with a worker's key, at its start or while it does not run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from protocol.chain.client import MarketClient
from protocol.errors import RpcUnavailable
from protocol.roles.session import open_session
from worker.process.data_dir import hold_key
from worker.process.signals import Stop
from worker.settings import WorkerSettings

__all__ = ["acting_as_worker", "until_answered"]

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 2.0

_Result = TypeVar("_Result")


@contextmanager
def acting_as_worker(settings: WorkerSettings) -> Iterator[MarketClient]:
    """The market with the key of a worker that does not run; nobody else uses it.

    Raises:
        AlreadyRunning: The worker runs.
        ConfigError: The key cannot be used.
        ChainError: The market cannot be read.
    """
    # Before the password is asked for. A worker that was just drained takes a moment.
    with (
        hold_key(settings.require_key_file(), patience_seconds=_PATIENCE_SECONDS),
        open_session(settings) as session,
    ):
        yield session.market


def until_answered(
    step: Callable[[], _Result],
    stop: Stop,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> _Result:
    """Do a step, again and again while the chain does not answer.

    A supervisor would start the worker again and again; with a password to type,
    nobody does.

    Args:
        step: Can be done again after it failed.
        stop: Ends the waiting.
        seconds: No attempt begins after so long.
        clock: Seconds that only go forward.

    Returns:
        What the step returns.

    Raises:
        RpcUnavailable: It never answered.
    """
    give_up_at = clock() + seconds
    while True:
        try:
            return step()
        except RpcUnavailable as error:
            is_over = clock() + _PAUSE_SECONDS > give_up_at or stop.is_draining
            if is_over or stop.wait(_PAUSE_SECONDS):
                raise
            logger.warning("chain awaited", extra={"reason": str(error)})
