"""How many seats to hold, and getting there."""

from __future__ import annotations

import logging

from protocol.chain.client import MarketClient
from protocol.chain.events import SeatOpened
from protocol.errors import ModelRefused, NotEnoughFunds
from protocol.market import ModelId, ModelSpec
from worker.models import ServedModel

__all__ = ["affordable_seats", "held_seats", "open_missing_seats"]

logger = logging.getLogger(__name__)

_MS_PER_SECOND = 1000


def affordable_seats(spec: ModelSpec, tokens_per_second: float, max_seats: int) -> int:
    """Seats that the machine can serve at the model's pace, at most `max_seats`.

    Each seat may be drawn for a job of its own at the same time, and each job's window
    is made for `ms_per_token`.

    Raises:
        ModelRefused: The machine is too slow for a single seat.
    """
    possible = int(tokens_per_second * spec.ms_per_token / _MS_PER_SECOND)
    if possible == 0:
        raise ModelRefused(
            f"this machine computes {tokens_per_second:.1f} tokens/s; a seat of this "
            f"model needs {_MS_PER_SECOND / spec.ms_per_token:.1f} tokens/s: give it "
            "more --threads, or serve a smaller model"
        )
    return min(possible, max_seats)


def held_seats(client: MarketClient, model_id: ModelId) -> list[int]:
    """Ids of the seats this worker has open for a model and not asked to close."""
    opened = {
        log.event.seat_id
        for log in client.events(kinds=(SeatOpened,))
        if isinstance(log.event, SeatOpened)
        and log.event.owner == client.address
        and log.event.model_id == model_id
    }
    # Ids are used again, so the seat itself has the last word.
    seats = ((seat_id, client.seat_of(seat_id)) for seat_id in sorted(opened))
    return [
        seat_id
        for seat_id, seat in seats
        if seat.owner == client.address
        and seat.model_id == model_id
        and not seat.is_closing
    ]


def open_missing_seats(
    client: MarketClient, model: ServedModel, *, tick: int, max_seats: int
) -> list[int]:
    """Bring the number of seats up to what the machine can serve.

    Returns:
        Ids of all seats held afterwards.

    Raises:
        NotEnoughFunds: Credit and tokens do not cover the bonds.
        ModelRefused: The machine is too slow.
    """
    target = affordable_seats(model.spec, model.tokens_per_second, max_seats)
    held = held_seats(client, model.model_id)
    missing = target - len(held)
    if missing <= 0:
        return held
    _fund(client, missing * client.config.seat_bond)
    result = client.open_seats(model.model_id, tick, missing)
    logger.info("seats opened", extra={"count": missing, "tx_hash": result.tx_hash})
    return held_seats(client, model.model_id)


def _fund(client: MarketClient, required: int) -> None:
    """Deposit what the credit lacks for the bonds."""
    missing = required - client.account_of(client.address).credit
    if missing <= 0:
        return
    held = client.token_balance(client.address)
    if held < missing:
        raise NotEnoughFunds(
            f"bonds need {missing} more units of the token, {client.address} holds "
            f"{held}: send tokens to it or lower --max-seats"
        )
    if client.allowance(client.address) < missing:
        client.approve(missing)
    client.deposit(missing)
