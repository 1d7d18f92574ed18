"""When to look for a receipt again, when to care for a transaction, when to give up."""

from __future__ import annotations

import time

__all__ = ["Patience"]

_FIRST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.5
_POLL_FACTOR = 3
# A node forgets its pool when it restarts, and the cheapest when it is full.
_FIRST_CARE_SECONDS = 1.0
_CARE_SECONDS = 2.0
# Of two nodes behind one address, one may know the receipt a little later than the
# other the nonce.
_DOUBT_SECONDS = 3.0


class Patience:
    """The clock of one wait."""

    def __init__(self, timeout_seconds: float) -> None:
        """Start to wait."""
        now = time.monotonic()
        self._deadline = now + timeout_seconds
        self._care_at = now + _FIRST_CARE_SECONDS
        self._pause = _FIRST_POLL_SECONDS
        self._taken_since: float | None = None

    def is_time_to_care(self) -> bool:
        """Whether to do more than to look; now and then."""
        now = time.monotonic()
        if now < self._care_at:
            return False
        self._care_at = now + _CARE_SECONDS
        return True

    def is_taken(self, is_used: bool) -> bool:
        """Whether a nonce that is used, with no receipt of ours, is another's.

        Args:
            is_used: Whether the chain has a transaction of the nonce.
        """
        now = time.monotonic()
        if not is_used:
            self._taken_since = None
        elif self._taken_since is None:
            self._taken_since = now
        since = self._taken_since
        return since is not None and now - since >= _DOUBT_SECONDS

    def pause(self) -> bool:
        """Sleep until the next look; False, at once, when the time is over."""
        if time.monotonic() + self._pause > self._deadline:
            return False
        time.sleep(self._pause)
        self._pause = min(self._pause * _POLL_FACTOR, _LONGEST_POLL_SECONDS)
        return True
