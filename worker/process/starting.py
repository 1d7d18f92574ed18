"""Starting while the chain does not answer: a node restarts, or limits its callers.

A supervisor would start the worker again and again; with a password to type, nobody
does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from protocol.errors import RpcUnavailable
from worker.process.signals import Stop

__all__ = ["until_answered"]

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0

_Result = TypeVar("_Result")


def until_answered(
    step: Callable[[], _Result],
    stop: Stop,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> _Result:
    """Do a step, again and again while the chain does not answer.

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
