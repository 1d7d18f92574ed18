"""Getting money out: credit as tokens, bonds as credit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.errors import NotEnoughFunds, WaitTimedOut
from worker.seats.holdings import HeldSeat, Holdings
from worker.seats.leaving import close_seats, leave_seats

__all__ = ["Withdrawal", "close_all_seats", "unlock_stake", "withdraw_credit"]

_POLL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Credit that went out.

    Attributes:
        amount: Token units.
        to: Who has them now.
        tx_hash: The transaction.
        credit_left: Token units that stayed.
    """

    amount: int
    to: ChecksumAddress
    tx_hash: str
    credit_left: int


def withdraw_credit(
    client: MarketClient, amount: int | None, to: ChecksumAddress
) -> Withdrawal:
    """Pay credit out as tokens.

    Args:
        client: Whose credit.
        amount: Token units; None pays all out.
        to: Who gets them.

    Raises:
        NotEnoughFunds: There is less credit, or none.
        ChainError: The transaction failed.
    """
    credit = client.account_of(client.address).credit
    wanted = credit if amount is None else amount
    if wanted > credit or wanted == 0:
        raise NotEnoughFunds(
            f"{client.address} has a credit of {credit} units, {wanted} cannot be "
            "withdrawn; bonds become credit once their seats have left: see "
            "`assay worker drain --leave`"
        )
    result = client.withdraw(wanted, to)
    left = client.account_of(client.address).credit
    return Withdrawal(wanted, to, result.tx_hash, left)


def close_all_seats(client: MarketClient) -> int:
    """Ask every open seat to close; returns how many were asked."""
    return close_seats(client, Holdings(client, client.address).read())


def unlock_stake(
    client: MarketClient,
    report: Callable[[str], None],
    *,
    limit_seconds: float,
    poll_seconds: float = _POLL_SECONDS,
) -> int:
    """Close all seats and wait until each has left; its bond is credit then.

    Args:
        client: Whose seats.
        report: Told what is waited for, in lines for people.
        limit_seconds: How long to wait.
        poll_seconds: Between two looks.

    Returns:
        How many seats left.

    Raises:
        WaitTimedOut: Some are there still; asking again goes on.
        ChainError: A transaction failed.
    """
    holdings = Holdings(client, client.address)
    deadline = time.monotonic() + limit_seconds
    left, shown = 0, ""
    while True:
        seats = holdings.read()
        close_seats(client, seats)
        left += leave_seats(client, seats, client.block_number())
        seats = holdings.read()
        if not seats:
            return left
        line = _awaited(seats)
        if line != shown:
            report(line)
            shown = line
        if time.monotonic() > deadline:
            raise WaitTimedOut(f"{line}: ask again then, nothing is lost")
        client.mine_on_demand()
        time.sleep(poll_seconds)


def _awaited(seats: Sequence[HeldSeat]) -> str:
    busy = sum(seat.is_busy for seat in seats)
    blocks = [seat.leaves_at_block or 0 for seat in seats]
    serving = f", {busy} serve a job" if busy else ""
    return f"{len(seats)} seats leave by block {max(blocks)}{serving}"
