"""Holding as many seats as asked for, over restarts and drains."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from protocol.chain.client import MarketClient
from protocol.errors import NotEnoughFunds
from protocol.hexadecimal import to_hex
from worker.models.loading import ServedModel
from worker.seats.holdings import HeldSeat, Holdings
from worker.seats.leaving import close_seats, leave_seats
from worker.seats.opening import open_missing_seats

__all__ = ["SeatUpkeep"]

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 30.0


class SeatUpkeep:
    """Opens seats at the start, and takes back the bonds of those that were closed.

    A seat that was lost to a missed deadline is opened again at the next start only:
    whatever went wrong would take the next bond too.
    """

    def __init__(
        self,
        client: MarketClient,
        holdings: Holdings,
        models: Sequence[ServedModel],
        *,
        tick: int,
        max_seats: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Describe what to hold.

        Args:
            client: Whose account.
            holdings: Its seats.
            models: Models to serve.
            tick: Price step of the seats.
            max_seats: Most seats for each model.
            clock: Seconds that only grow.
        """
        self._client = client
        self._models = models
        self._tick = tick
        self._max_seats = max_seats
        self._clock = clock
        self._holdings = holdings
        self._next_time = 0.0
        self._is_short = False
        self._has_closing = True

    def open(self) -> None:
        """Open what is missing.

        Bonds of seats that cannot leave yet are waited for: `recover_bonds` opens the
        rest.

        Raises:
            NotEnoughFunds: There is too little money, and none will come back.
            ModelRefused: The machine is too slow.
        """
        self._leave()
        closing = [seat for seat in self._holdings.read() if seat.is_closing]
        self._is_short = False
        for model in self._models:
            seats = self._open_for(model, closing)
            logger.info(
                "ready",
                extra={
                    "worker": self._client.address,
                    "model_id": to_hex(model.model_id),
                    "seats": seats,
                },
            )

    def close(self) -> None:
        """Ask all seats to close; `recover_bonds` takes them off. On any thread."""
        close_seats(self._client, self._holdings.read())
        self._has_closing = True

    def recover_bonds(self) -> None:
        """From time to time, take off closed seats, and open what lacked their bonds.

        Raises:
            MarketError: It could not be done; the next call tries again.
        """
        if not self._has_closing or self._clock() < self._next_time:
            return
        self._next_time = self._clock() + _INTERVAL_SECONDS
        if self._leave() and self._is_short:
            self.open()

    def _leave(self) -> int:
        seats = self._holdings.read()
        left = leave_seats(self._client, seats, self._client.block_number())
        self._has_closing = any(seat.is_closing for seat in seats)
        return left

    def _open_for(self, model: ServedModel, closing: Sequence[HeldSeat]) -> list[int]:
        try:
            return self._open_up_to(model, self._max_seats)
        except NotEnoughFunds as error:
            if not closing:
                raise
            self._is_short = True
            logger.warning("bonds are awaited", extra={"reason": str(error)})
        held = self._holdings.open_for(model.model_id)
        affordable = self._affordable()
        return self._open_up_to(model, len(held) + affordable) if affordable else held

    def _open_up_to(self, model: ServedModel, count: int) -> list[int]:
        return open_missing_seats(
            self._client, self._holdings, model, tick=self._tick, max_seats=count
        )

    def _affordable(self) -> int:
        client = self._client
        money = client.account_of(client.address).credit
        money += client.token_balance(client.address)
        return money // client.config.seat_bond
