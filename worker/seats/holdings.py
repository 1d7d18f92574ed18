"""The seats that an account holds."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

from eth_typing import ChecksumAddress

from protocol.chain.reader import MarketReader
from protocol.market.events import SeatOpened
from protocol.market.types import ModelId, Seat

__all__ = ["HeldSeat", "Holdings", "SeatState"]

# What may be mined anew in another order is read again.
_REREAD_BLOCKS = 128
# What the contract adds to the draw deadline before a closing seat may leave.
_LEAVE_MARGIN_BLOCKS = 2


class SeatState(StrEnum):
    """What a seat of this worker's does."""

    IDLE = "idle"
    BUSY = "busy"
    CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class HeldSeat:
    """One seat of the account's.

    Attributes:
        seat_id: Its number.
        model_id: The model it serves.
        tick: Its price step.
        is_busy: Whether it serves a job.
        close_requested_block: When it was asked to close; None if it was not.
        leaves_at_block: First block in which it can leave, once idle; None if it was
            not asked to close.
    """

    seat_id: int
    model_id: ModelId
    tick: int
    is_busy: bool
    close_requested_block: int | None
    leaves_at_block: int | None

    @property
    def is_closing(self) -> bool:
        """Whether it was asked to close."""
        return self.close_requested_block is not None

    @property
    def state(self) -> SeatState:
        """What it does; a busy seat that was asked to close is busy."""
        if self.is_busy:
            return SeatState.BUSY
        return SeatState.CLOSING if self.is_closing else SeatState.IDLE

    def can_leave(self, block_number: int) -> bool:
        """Whether a transaction sent after this block can take it off its roster."""
        at = self.leaves_at_block
        return not self.is_busy and at is not None and block_number + 1 >= at


class Holdings:
    """Finds the seats that an account holds. May be used from any thread.

    The log since the market's deployment is read once; after that only blocks that are
    new, or young enough to be replaced by a reorganisation.
    """

    def __init__(self, reader: MarketReader, owner: ChecksumAddress) -> None:
        """Nothing is read before `read`.

        Args:
            reader: Where to read.
            owner: Whose seats.
        """
        self._reader = reader
        self._owner = owner
        self._opened: set[int] = set()
        self._next_block: int | None = None
        self._lock = threading.Lock()

    @property
    def owner(self) -> ChecksumAddress:
        """Whose seats these are."""
        return self._owner

    def read(self) -> list[HeldSeat]:
        """All seats held now, by number. Raises RpcUnavailable."""
        with self._lock:
            self._read_log()
            numbers = sorted(self._opened)
        # Ids are used again, so the seat itself has the last word.
        seats = [(number, self._reader.seat_of(number)) for number in numbers]
        return [
            self._held(number, seat)
            for number, seat in seats
            if seat.owner == self._owner
        ]

    def open_for(self, model_id: ModelId) -> list[int]:
        """Ids of a model's seats that were not asked to close. Raises as `read`."""
        return [
            seat.seat_id
            for seat in self.read()
            if seat.model_id == model_id and not seat.is_closing
        ]

    def _read_log(self) -> None:
        head = self._reader.block_number()
        logs = self._reader.events(
            kinds=(SeatOpened,), from_block=self._next_block, to_block=head
        )
        for log in logs:
            if isinstance(log.event, SeatOpened) and log.event.owner == self._owner:
                self._opened.add(log.event.seat_id)
        first = self._reader.deployment.block_number
        self._next_block = max(first, head + 1 - _REREAD_BLOCKS)

    def _held(self, number: int, seat: Seat) -> HeldSeat:
        asked = seat.close_requested_block if seat.is_closing else None
        wait = self._reader.config.draw_deadline_blocks + _LEAVE_MARGIN_BLOCKS
        return HeldSeat(
            seat_id=number,
            model_id=ModelId(seat.model_id),
            tick=seat.tick,
            is_busy=seat.is_busy,
            close_requested_block=asked,
            leaves_at_block=None if asked is None else asked + wait,
        )
