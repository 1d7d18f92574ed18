"""Closing seats, and taking them off their rosters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

from protocol.chain.client import MarketClient
from protocol.errors import ContractReverted
from worker.seats.holdings import HeldSeat

__all__ = ["close_seats", "leave_seats"]

logger = logging.getLogger(__name__)

# Each waits for its block, so they are sent together.
_SENT_AT_ONCE = 8


def close_seats(client: MarketClient, seats: Sequence[HeldSeat]) -> int:
    """Ask all that are open to close; returns how many were asked.

    Raises:
        MarketError: One could not be asked; the others may have been.
    """
    waiting = [seat.seat_id for seat in seats if not seat.is_closing]
    _each(client.close_seat, waiting)
    if waiting:
        logger.info("seats closing", extra={"seats": waiting})
    return len(waiting)


def leave_seats(
    client: MarketClient, seats: Sequence[HeldSeat], block_number: int
) -> int:
    """Take off their rosters all that can leave; returns how many did.

    Raises:
        MarketError: One could not leave for another reason than being too early.
    """
    ready = [seat.seat_id for seat in seats if seat.can_leave(block_number)]
    _each(client.leave_seat, ready)
    if ready:
        logger.info("seats left", extra={"seats": ready})
    return len(ready)


def _each(call: Callable[[int], object], seat_ids: Collection[int]) -> None:
    if not seat_ids:
        return

    def attempt(seat_id: int) -> None:
        try:
            call(seat_id)
        except ContractReverted as error:
            # Done before, or drawn meanwhile: the next call decides anew.
            logger.info("seat kept", extra={"seat_id": seat_id, "reason": error.name})

    with ThreadPoolExecutor(max_workers=_SENT_AT_ONCE) as pool:
        # Taken one by one, so that a failure of any is raised here.
        for _ in pool.map(attempt, seat_ids):
            pass
