"""How long to leave alone what failed, twice as long after each failure.

Who has not failed for a while starts anew, so nothing is remembered for long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ["Pauses"]


@dataclass(frozen=True, slots=True)
class _Pause:
    until: float
    seconds: float


class Pauses:
    """Pauses by key, for all threads."""

    def __init__(
        self,
        *,
        first_seconds: float,
        longest_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start without any.

        Args:
            first_seconds: Pause after a first failure.
            longest_seconds: Longest pause.
            clock: Seconds that only go forward.
        """
        self._first = first_seconds
        self._longest = longest_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._pauses: dict[Hashable, _Pause] = {}

    def is_paused(self, key: Hashable) -> bool:
        """Whether to leave it alone."""
        pause = self._pauses.get(key)
        return pause is not None and self._clock() < pause.until

    def fail(self, key: Hashable) -> None:
        """It failed, again or for the first time."""
        now = self._clock()
        with self._lock:
            self._pauses = {
                known: pause
                for known, pause in self._pauses.items()
                if now - pause.until <= self._longest
            }
            earlier = self._pauses.get(key)
            seconds = self._first if earlier is None else earlier.seconds * 2
            seconds = min(seconds, self._longest)
            self._pauses[key] = _Pause(now + seconds, seconds)

    def clear(self, key: Hashable) -> None:
        """It succeeded, or nobody wants it any more."""
        with self._lock:
            self._pauses.pop(key, None)
