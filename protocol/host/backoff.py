"""How long to leave alone what failed, and how many failures to bear."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from protocol.errors import MarketError

__all__ = ["Pauses", "Tolerance"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Pause:
    until: float
    seconds: float


class Pauses:
    """Pauses by key, each twice as long as the one before. Thread-safe.

    Who has not failed for a while starts anew, so nothing is remembered for long.
    """

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


class Tolerance:
    """Bears failures that may pass, until too many came in a row.

    Attributes:
        failures: How many came since the last success.
    """

    def __init__(
        self,
        limit: int,
        may_pass: Callable[[MarketError], bool] = lambda error: error.is_retryable,
    ) -> None:
        """Start without any.

        Args:
            limit: How many failures in a row to bear.
            may_pass: Whether a failure is worth another try.
        """
        self._limit = limit
        self._may_pass = may_pass
        self.failures = 0

    @contextmanager
    def bear(self, what: str) -> Iterator[None]:
        """Goes on after what is inside failed; `what` says so in the log.

        Raises:
            MarketError: It will not pass, or there were too many.
        """
        try:
            yield
        except MarketError as error:
            self.failures += 1
            if not self._may_pass(error) or self.failures > self._limit:
                raise
            _log.warning(what, extra={"reason": str(error)})
