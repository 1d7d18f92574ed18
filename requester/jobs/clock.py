"""Time as the requester's waiting loops see it."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """What a loop that waits needs."""

    def now(self) -> float:
        """Seconds of Unix time."""
        ...

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds of Unix time."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Pause the calling thread."""
        time.sleep(seconds)
