"""The market's books, kept again from its events alone.

Every unit that came in is somewhere: in an account's credit, in a seat's bond, or in
the escrow of a job that runs. The chain's own numbers must be the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_typing import ChecksumAddress

from protocol.chain.reader import MarketReader
from protocol.hexadecimal import to_hex
from protocol.market.events import (
    BountyPaid,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    SeatClosed,
    SeatOpened,
    SeatSlashed,
    StakeDeposited,
    Withdrawn,
    WorkerPaid,
)
from protocol.market.types import MarketConfig

__all__ = ["Books", "audit", "keep_books"]


@dataclass(slots=True)
class Books:
    """Balances in units of the escrow token.

    Attributes:
        config: The market's terms.
        credit: What each account may withdraw.
        bonds: What each open seat has locked.
        escrow: What is left of each running job's escrow.
        tokens: What the market holds in all.
        faults: Sums that do not come out.
    """

    config: MarketConfig
    credit: dict[ChecksumAddress, int] = field(default_factory=lambda: defaultdict(int))
    bonds: dict[int, int] = field(default_factory=dict)
    escrow: dict[bytes, int] = field(default_factory=dict)
    tokens: int = 0
    faults: list[str] = field(default_factory=list)
    _paid: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    _requester_of: dict[bytes, ChecksumAddress] = field(default_factory=dict)
    _kept_for_delivery: dict[bytes, int] = field(default_factory=dict)

    @property
    def owed(self) -> int:
        """All that the market owes; what it holds, if nothing is lost."""
        parts = (self.credit, self.bonds, self.escrow)
        return sum(sum(part.values()) for part in parts)

    def book(self, event: object) -> None:
        """Enter one event; those that move no money change nothing."""
        entry = _ENTRIES.get(type(event))
        if entry is not None:
            entry(self, event)

    def _deposit(self, event: StakeDeposited) -> None:
        self.credit[event.account] += event.amount
        self.tokens += event.amount

    def _withdraw(self, event: Withdrawn) -> None:
        self.credit[event.account] -= event.amount
        self.tokens -= event.amount

    def _open_seat(self, event: SeatOpened) -> None:
        self.credit[event.owner] -= self.config.seat_bond
        self.bonds[event.seat_id] = self.config.seat_bond

    def _slash(self, event: SeatSlashed) -> None:
        self.bonds[event.seat_id] -= event.amount
        self.credit[self.config.sink] += event.amount

    def _close_seat(self, event: SeatClosed) -> None:
        left = self.bonds.pop(event.seat_id)
        if left != event.returned:
            self.faults.append(
                f"seat {event.seat_id} closed with {left} units left of its bond, "
                f"{event.returned} were returned"
            )
        self.credit[event.owner] += event.returned

    def _post(self, event: JobPosted) -> None:
        from_credit = min(self.credit[event.requester], event.escrowed)
        self.credit[event.requester] -= from_credit
        self.tokens += event.escrowed - from_credit
        self.escrow[event.job_id] = event.escrowed
        self._requester_of[event.job_id] = event.requester
        if event.params.has_callback:
            self._kept_for_delivery[event.job_id] = self.config.bounty

    def _pay_worker(self, event: WorkerPaid) -> None:
        self._pay(event.job_id, event.worker, event.amount)

    def _pay_bounty(self, event: BountyPaid) -> None:
        self._pay(event.job_id, event.caller, event.amount)

    def _pay(self, job_id: bytes, account: ChecksumAddress, amount: int) -> None:
        self.escrow[job_id] -= amount
        self.credit[account] += amount
        self._paid[job_id] += amount

    def _settle(self, event: JobSettled) -> None:
        # The delivery's bounty counts as paid, and leaves with the delivery.
        waiting = self._kept_for_delivery.get(event.job_id, 0)
        paid = self._paid[event.job_id] + waiting
        if paid != event.paid:
            self.faults.append(
                f"job {to_hex(event.job_id)} says {event.paid} units were paid; "
                f"workers and callers got {paid}"
            )
        self.escrow[event.job_id] -= event.refunded + event.fee
        self.credit[self.config.treasury] += event.fee
        self._end(event.job_id, event.refunded, waiting)

    def _cancel(self, event: JobCancelled) -> None:
        self.escrow[event.job_id] -= event.refunded
        self._end(event.job_id, event.refunded)

    def _end(self, job_id: bytes, refunded: int, waiting: int = 0) -> None:
        self.credit[self._requester_of[job_id]] += refunded
        left = self.escrow.pop(job_id)
        if waiting:
            self.escrow[job_id] = waiting
        if left != waiting:
            self.faults.append(
                f"job {to_hex(job_id)}: escrowed is not paid + refunded + fees, "
                f"{left - waiting} units are missing"
            )


_ENTRIES: Mapping[type, Callable[[Books, Any], None]] = {
    StakeDeposited: Books._deposit,
    Withdrawn: Books._withdraw,
    SeatOpened: Books._open_seat,
    SeatSlashed: Books._slash,
    SeatClosed: Books._close_seat,
    JobPosted: Books._post,
    WorkerPaid: Books._pay_worker,
    BountyPaid: Books._pay_bounty,
    JobSettled: Books._settle,
    JobCancelled: Books._cancel,
}


def keep_books(logs: Iterable[Log], config: MarketConfig) -> Books:
    """Enter all events of a market, from its deployment on."""
    books = Books(config)
    for log in logs:
        books.book(log.event)
    if books.tokens != books.owed:
        books.faults.append(
            f"{books.tokens} units came in and did not go out, {books.owed} are owed"
        )
    return books


def audit(market: MarketReader) -> list[str]:
    """Compare a market's books with what the chain says, to the unit.

    Returns:
        What does not agree; empty when everything does.
    """
    head = market.block_number()
    books = keep_books(market.events(to_block=head), market.config)
    faults = list(books.faults)
    for account, expected in sorted(books.credit.items()):
        actual = market.account_of(account, block=head).credit
        if actual != expected:
            faults.append(
                f"{account} has a credit of {actual} units, by the events it is "
                f"{expected}"
            )
    held = market.token_balance(market.deployment.marketplace, block=head)
    if held != books.tokens:
        faults.append(
            f"the market holds {held} units of the token, by the events {books.tokens}"
        )
    return faults
