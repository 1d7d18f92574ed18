"""Whether a worker lives, and whether it can serve jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Health"]

# A step may wait for a transaction, and for its replacement.
_STALL_SECONDS = 300.0
_STALE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """When something was last well, and what was wrong with it since."""

    at: float | None = None
    fault: str = "not looked at yet"

    def why_not(self, now: float) -> str:
        """Empty if it is well."""
        if self.fault:
            return self.fault
        is_fresh = self.at is not None and now - self.at <= _STALE_SECONDS
        return "" if is_fresh else f"not seen for {_STALE_SECONDS:g} s"


class Health:
    """What is well with a worker. May be used from any thread.

    Every fact is replaced whole, so no lock is needed.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is known yet.

        Args:
            clock: Seconds that only grow.
        """
        self._clock = clock
        self._last_tick = clock()
        self._is_loaded = False
        self._is_draining = False
        self._chain = _Seen()
        self._content = _Seen()
        self._open_seats = 0

    def ticked(self) -> None:
        """The loop went round."""
        self._last_tick = self._clock()

    def loaded(self) -> None:
        """All models are verified and loaded, and the loop begins."""
        self._is_loaded = True
        self.ticked()

    def draining(self) -> None:
        """Nothing new is taken any more."""
        self._is_draining = True

    def saw_chain(self, open_seats: int) -> None:
        """The chain answered; `open_seats` can be drawn."""
        self._open_seats = open_seats
        self._chain = _Seen(self._clock(), "")

    def saw_content(self) -> None:
        """The IPFS node answered."""
        self._content = _Seen(self._clock(), "")

    def lost_chain(self, reason: str) -> None:
        """The chain could not be read."""
        self._chain = _Seen(self._chain.at, reason)

    def lost_content(self, reason: str) -> None:
        """The IPFS node could not be reached."""
        self._content = _Seen(self._content.at, reason)

    def faults(self) -> dict[str, str]:
        """What keeps the process from living, by name; empty if nothing does."""
        idle = self._clock() - self._last_tick
        # Loading may take minutes, and the start ends by itself if it fails.
        if self._is_loaded and idle > _STALL_SECONDS:
            return {"loop": f"has not gone round for {idle:.0f} s"}
        return {}

    def obstacles(self) -> dict[str, str]:
        """What keeps jobs from being served, by name; empty if nothing does."""
        now = self._clock()
        reasons = {
            **self.faults(),
            "chain": self._chain.why_not(now),
            "ipfs": self._content.why_not(now),
            "models": "" if self._is_loaded else "still being fetched and verified",
            "seats": "" if self._open_seats else "none is open",
            "drain": "takes nothing new" if self._is_draining else "",
        }
        return {name: reason for name, reason in reasons.items() if reason}
