"""When to ask for a receipt again, when to resend, and when to stop waiting."""

from __future__ import annotations

import time

__all__ = ["ReceiptWait"]

_FIRST_POLL_SECONDS = 0.02
_LONGEST_POLL_SECONDS = 0.5
_POLL_FACTOR = 3
# A node forgets its pool when it restarts, and the cheapest when it is full.
_FIRST_RESEND_SECONDS = 1.0
_RESEND_SECONDS = 2.0
# Of two nodes behind one address, one may know the receipt a little later than the
# other the nonce.
_DOUBT_SECONDS = 3.0


class ReceiptWait:
    """The clock of one wait for a receipt."""

    def __init__(self, timeout_seconds: float) -> None:
        """Start to wait."""
        now = time.monotonic()
        self._deadline = now + timeout_seconds
        self._resend_at = now + _FIRST_RESEND_SECONDS
        self._pause = _FIRST_POLL_SECONDS
        self._taken_since: float | None = None

    def is_resend_due(self) -> bool:
        """Whether the transaction should be sent again, by the time since the last."""
        return time.monotonic() >= self._resend_at

    def postpone_resend(self) -> None:
        """Begin the time until it is due again."""
        self._resend_at = time.monotonic() + _RESEND_SECONDS

    def is_taken(self, *, is_used: bool) -> bool:
        """Whether a nonce without a receipt of ours has been another's for a while.

        Args:
            is_used: Whether the chain has a transaction of the nonce now.
        """
        now = time.monotonic()
        if not is_used:
            self._taken_since = None
            return False
        if self._taken_since is None:
            self._taken_since = now
        return now - self._taken_since >= _DOUBT_SECONDS

    def pause(self) -> bool:
        """Sleep until the next poll; False, at once, when the time is over."""
        if time.monotonic() + self._pause > self._deadline:
            return False
        time.sleep(self._pause)
        self._pause = min(self._pause * _POLL_FACTOR, _LONGEST_POLL_SECONDS)
        return True
