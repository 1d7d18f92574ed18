"""What must hold of a market and of the demo's job, told by their events.

Every unit that came in is somewhere: in an account's credit, in a seat's bond, or in
the escrow of a job that runs. The chain's own numbers must be the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eth_typing import ChecksumAddress

from inference import load_engine
from protocol.chain.reader import MarketReader
from protocol.documents.tokenizer import TokenCodec
from protocol.hexadecimal import to_hex
from protocol.market.events import (
    BountyPaid,
    Event,
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
from protocol.market.terms import MarketConfig
from protocol.market.timeline import Timeline
from protocol.market.types import JobId, JobState, ModelSpec, SlashReason
from requester.jobs.results import Results
from worker.duties.computation import compute

__all__ = [
    "Books",
    "DemoCheck",
    "audit",
    "check_money",
    "check_truth",
    "check_worker",
    "keep_books",
]


# Under which events of no job are grouped.
_NO_JOB = JobId(b"")


@dataclass(slots=True)
class Books:
    """Balances in units of the escrow token.

    Attributes:
        config: The market's terms.
        credit: What each account may withdraw.
        bonds: What each open seat has locked.
        escrow: What is left of each job's escrow, where anything is left.
        tokens: What the market holds in all.
        faults: Sums that do not come out.
    """

    config: MarketConfig
    credit: dict[ChecksumAddress, int] = field(default_factory=lambda: defaultdict(int))
    bonds: dict[int, int] = field(default_factory=dict)
    escrow: dict[JobId, int] = field(default_factory=dict)
    tokens: int = 0
    faults: list[str] = field(default_factory=list)
    _requester_of: dict[JobId, ChecksumAddress] = field(default_factory=dict)

    @property
    def owed(self) -> int:
        """All that the market owes; what it holds, if nothing is lost."""
        parts = (self.credit, self.bonds, self.escrow)
        return sum(sum(part.values()) for part in parts)

    def book(self, event: Event) -> None:
        """Enter one event; those that move no money change nothing."""
        match event:
            case StakeDeposited():
                self._come_in(event.account, event.amount)
            case Withdrawn():
                self._come_in(event.account, -event.amount)
            case SeatOpened():
                self.credit[event.owner] -= self.config.seat_bond
                self.bonds[event.seat_id] = self.config.seat_bond
            case SeatSlashed():
                self.bonds[event.seat_id] -= event.amount
                self.credit[self.config.sink] += event.amount
            case SeatClosed():
                self._close_seat(event)
            case _:
                self._book_escrow(event)

    def _book_escrow(self, event: Event) -> None:
        match event:
            case JobPosted():
                missing = event.escrowed - self.credit[event.requester]
                self.tokens += max(missing, 0)
                self.credit[event.requester] = max(-missing, 0)
                self.escrow[event.job_id] = event.escrowed
                self._requester_of[event.job_id] = event.requester
            case WorkerPaid():
                self._pay(event.job_id, event.worker, event.amount)
            case BountyPaid():
                self._pay(event.job_id, event.caller, event.amount)
            case JobSettled():
                self._pay(event.job_id, self.config.treasury, event.fee)
                self._refund(event)
            case JobCancelled():
                self._refund(event)

    def _come_in(self, account: ChecksumAddress, amount: int) -> None:
        self.credit[account] += amount
        self.tokens += amount

    def _close_seat(self, event: SeatClosed) -> None:
        left = self.bonds.pop(event.seat_id)
        if left != event.returned:
            self.faults.append(
                f"seat {event.seat_id} closed with {left} units left of its bond, "
                f"{event.returned} were returned"
            )
        self.credit[event.owner] += event.returned

    def _refund(self, event: JobSettled | JobCancelled) -> None:
        self._pay(event.job_id, self._requester_of[event.job_id], event.refunded)

    def _pay(self, job_id: JobId, account: ChecksumAddress, amount: int) -> None:
        self.escrow[job_id] -= amount
        self.credit[account] += amount


def keep_books(logs: Iterable[Log], config: MarketConfig) -> Books:
    """Enter all events of a market, from its deployment on."""
    books = Books(config)
    jobs: dict[JobId, list[Log]] = defaultdict(list)
    for log in logs:
        books.book(log.event)
        jobs[getattr(log.event, "job_id", _NO_JOB)].append(log)
    for job_id in books.escrow:
        books.faults += _faults_of(Timeline.of(job_id, jobs[job_id]), config)
    books.escrow = {job_id: left for job_id, left in books.escrow.items() if left}
    if books.tokens != books.owed:
        books.faults.append(
            f"{books.tokens} units came in and did not go out, {books.owed} are owed"
        )
    return books


def _faults_of(job: Timeline, config: MarketConfig) -> Iterator[str]:
    """Sums of a job that has ended and that do not come out."""
    if job.ended is None:
        return
    handed, fee = sum(job.payments), 0
    if job.settled is not None:
        # The delivery's bounty counts as paid, and leaves with the delivery.
        handed += config.bounty if job.params.has_callback else 0
        paid, fee = job.settled.event.paid, job.settled.event.fee
        if paid != handed:
            yield (
                f"job {to_hex(job.job_id)} says {paid} units were paid; workers and "
                f"callers got {handed}"
            )
    missing = job.posted.event.escrowed - handed - job.refunded - fee
    if missing:
        yield (
            f"job {to_hex(job.job_id)}: escrowed is not paid + refunded + fees, "
            f"{missing} units are missing"
        )


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


# ---------------------------------------------------------------- the demo's job


@dataclass(frozen=True, slots=True)
class DemoCheck:
    """Something that must be so for the demo to succeed."""

    name: str
    holds: bool
    fact: str


def check_money(job: Timeline, audit_faults: Sequence[str]) -> list[DemoCheck]:
    """Whether a job was accepted and its money adds up.

    Args:
        job: What its events say.
        audit_faults: From `audit`.
    """
    escrowed, handed = job.posted.event.escrowed, job.payments
    paid, fee = 0, 0
    if job.settled is not None:
        paid, fee = job.settled.event.paid, job.settled.event.fee
    return [
        DemoCheck("accepted", job.state is JobState.ACCEPTED, job.state.label),
        DemoCheck(
            "escrowed = paid + refunded + fees",
            escrowed == paid + job.refunded + fee,
            f"{escrowed} = {paid} + {job.refunded} + {fee}",
        ),
        DemoCheck(
            "paid = workers + bounties",
            paid == sum(handed),
            f"{paid} = {' + '.join(map(str, handed))}",
        ),
        DemoCheck(
            "events and balances agree",
            not audit_faults,
            "; ".join(audit_faults) or "every credit, bond and token is accounted for",
        ),
    ]


def check_worker(
    job: Timeline, liar: str | None, seat_bond: int, sink_credit: int
) -> list[DemoCheck]:
    """Whether the honest were paid, and the liar, if there is one, was slashed.

    Args:
        job: What its events say.
        liar: Address of the worker that lied, if one was told to.
        seat_bond: What it had to lose.
        sink_credit: Credit of the sink after the job.
    """
    places = job.last_drawn.places if job.last_drawn else ()
    members = {place.worker for place in places if not place.is_vacant}
    paid = {entry.event.worker for entry in job.workers_paid}
    slashed = [entry.event for entry in job.slashed]
    losses = [(event.worker, event.amount, event.reason) for event in slashed]
    expected = [] if liar is None else [(liar, seat_bond, SlashReason.WRONG_RESULT)]
    lost = "" if liar is None else ", the bond of the liar"
    in_sink = sum(event.amount for event in slashed)
    honest = members - {liar}
    return [
        DemoCheck(
            "the honest were paid, nobody else",
            paid == honest and len(honest) >= job.params.quorum,
            f"{len(paid)} paid of {len(members)} on the committee",
        ),
        DemoCheck(
            "the sink has what was slashed" + lost,
            losses == expected and sink_credit == in_sink,
            f"{sink_credit} units in the sink, {in_sink} slashed",
        ),
    ]


def check_truth(
    model: Path, spec: ModelSpec, results: Results, job: Timeline
) -> DemoCheck:
    """Whether accepted results are what an honest engine answers.

    Args:
        model: The model's package.
        spec: Its registered spec.
        results: The accepted results.
        job: What its events say.

    Raises:
        EngineError: The model cannot be loaded.
    """
    codec = TokenCodec.from_bytes((model / "tokenizer.json").read_bytes())
    engine = load_engine(model, vocabulary=codec.vocabulary)
    prompts = results.prompts.to_bytes()
    honest = compute(prompts, job.params, spec, engine=engine, codec=codec).outcome
    return DemoCheck(
        "the accepted result is the honest one",
        honest == results.outcome,
        f"results digest {to_hex(results.outcome.results_digest)}, computed honestly "
        f"{to_hex(honest.results_digest)}",
    )
