"""How many seats a machine can serve, and opening those that are missing."""

from __future__ import annotations

import logging
import time

from protocol.chain.client import MarketClient
from protocol.errors import ModelRefused, NotEnoughFunds, TransactionDropped
from protocol.host.crash_points import crash_point
from protocol.market.types import ModelSpec
from worker.models.loading import ServedModel
from worker.seats.holdings import Holdings

__all__ = ["affordable_seats", "open_missing_seats"]

logger = logging.getLogger(__name__)

_MS_PER_SECOND = 1000
# As the contract has it.
_MAX_AT_ONCE = 64
_PENDING_SECONDS = 120.0
_POLL_SECONDS = 0.5


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


def open_missing_seats(
    client: MarketClient,
    holdings: Holdings,
    model: ServedModel,
    *,
    tick: int,
    max_seats: int,
) -> list[int]:
    """Bring the number of seats up to what the machine can serve.

    Args:
        client: Whose account opens them.
        holdings: The seats of that account.
        model: The model they serve.
        tick: Price step of those that are opened.
        max_seats: Most seats, however fast the machine is.

    Returns:
        Ids of all seats that are open afterwards.

    Raises:
        NotEnoughFunds: Credit and tokens do not cover the bonds.
        ModelRefused: The machine is too slow.
        TransactionDropped: Seats that were opened before a crash are not mined in time.
    """
    target = affordable_seats(model.spec, model.tokens_per_second, max_seats)
    _await_pending(client)
    held = holdings.open_for(model.model_id)
    missing = target - len(held)
    if missing <= 0:
        return held
    _fund(client, missing * client.config.seat_bond)
    for start in range(0, missing, _MAX_AT_ONCE):
        count = min(missing - start, _MAX_AT_ONCE)
        crash_point("seats.opening")
        result = client.open_seats(model.model_id, tick, count)
        crash_point("seats.opened")
        logger.info("seats opened", extra={"count": count, "tx_hash": result.tx_hash})
    return holdings.open_for(model.model_id)


def _await_pending(client: MarketClient) -> None:
    """Wait for seats whose opening was sent before a crash: never open them twice."""
    deadline = time.monotonic() + _PENDING_SECONDS
    is_logged = False
    while True:
        mined = client.account_of(client.address).seats
        if client.account_of(client.address, block="pending").seats <= mined:
            return
        if not is_logged:
            logger.info("seats opened before", extra={"worker": client.address})
            is_logged = True
        if time.monotonic() > deadline:
            raise TransactionDropped(
                f"seats of {client.address} were opened before and are not mined "
                f"within {_PENDING_SECONDS:g} s: look at its pending transactions"
            )
        time.sleep(_POLL_SECONDS)


def _fund(client: MarketClient, required: int) -> None:
    """Deposit what the credit lacks for the bonds, pending transactions counted."""
    credit = client.account_of(client.address, block="pending").credit
    missing = required - credit
    if missing <= 0:
        return
    held = client.token_balance(client.address, block="pending")
    if held < missing:
        raise NotEnoughFunds(
            f"bonds need {missing} more units of the token, {client.address} holds "
            f"{held}: send tokens to it or lower --max-seats"
        )
    if client.allowance(client.address, block="pending") < missing:
        crash_point("stake.approving")
        client.approve(missing)
        crash_point("stake.approved")
    crash_point("stake.depositing")
    client.deposit(missing)
    crash_point("stake.deposited")
