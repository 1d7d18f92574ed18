"""Closing the seats while gas is too dear for jobs to pay for it, and opening again.

A member that is drawn and declines loses part of its bond, so the better time to
decline is before the draw. Closing and opening cost gas too: only what lasts counts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from worker.gas_policy import GasGuard
from worker.process.background import TaskPool
from worker.seats.upkeep import SeatUpkeep

__all__ = ["SeatGate"]

logger = logging.getLogger(__name__)

_KEY = "seat gate"
_LASTING_SECONDS = 600.0


class SeatGate:
    """Holds seats only while a job pays for its gas. For the loop's thread."""

    def __init__(
        self,
        guard: GasGuard,
        background: TaskPool,
        seats: SeatUpkeep,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with the seats open.

        Args:
            guard: Knows whether seats are worth their gas.
            background: Where closing is sent.
            seats: What is closed, on a thread, and opened, on the loop's, which has
                nothing else to do without seats.
            clock: Seconds that only go forward.
        """
        self._guard = guard
        self._background = background
        self._seats = seats
        self._clock = clock
        self._is_open = True
        self._differs_since: float | None = None

    def follow_price(self) -> None:
        """Close or open the seats once the price of gas has asked for it for long.

        Call it after every block.

        Raises:
            MarketError: They could not be opened; the next call tries again.
        """
        now = self._clock()
        if self._guard.are_seats_worth_it() is self._is_open:
            self._differs_since = None
            return
        if self._differs_since is None:
            self._differs_since = now
        is_lasting = now - self._differs_since >= _LASTING_SECONDS
        if not is_lasting or self._background.is_running(_KEY):
            return
        if self._is_open:
            logger.warning("gas too dear", extra={"seats": "closing"})
            self._background.start(
                _KEY, self._seats.close, done=self._note_closed, failed=self._note
            )
        else:
            logger.info("gas cheap again", extra={"seats": "opening"})
            self._seats.open()
            self._is_open = True

    def _note_closed(self, result: object) -> None:
        self._is_open = False

    def _note(self, error: Exception) -> None:
        # Not again before the price has lasted anew.
        self._differs_since = None
        logger.warning("seats kept", extra={"reason": str(error)})
