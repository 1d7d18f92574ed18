"""Asking a second time what may only have failed by chance."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from protocol.errors import MarketError

__all__ = ["persist"]

_TRIES = 3
_PAUSE_SECONDS = 0.2

Result = TypeVar("Result")


def persist(work: Callable[[], Result]) -> Result:
    """Does something that may be repeated, again when it fails passingly.

    Servers close connections that were idle; whoever uses one in that moment hears
    nothing. A caller should not be told of it.

    Args:
        work: What to do; to repeat it must change nothing.

    Raises:
        MarketError: It failed for good, or every time.
    """
    for _ in range(_TRIES - 1):
        try:
            return work()
        except MarketError as error:
            if not error.is_retryable:
                raise
        time.sleep(_PAUSE_SECONDS)
    return work()
