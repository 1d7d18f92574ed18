"""Running totals of participants and hours, as sums that can be taken back.

Each job, seat and event contributes numbers; a total is their sum. What a rewind undoes
is subtracted, so that a total never depends on the way to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.indexer.projection import JobRows, Row, Verdict
from protocol.market.events import BountyPaid, Event, StakeDeposited, Withdrawn
from protocol.market.types import JobState

__all__ = ["HOUR_SECONDS", "Totals"]

HOUR_SECONDS = 3_600

_ENDINGS = {
    JobState.ACCEPTED: "accepted",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
}
_MISSED = {Verdict.NO_SHOW, Verdict.UNAVAILABLE}
_BOND_LOST = {Verdict.NOT_REVEALED, Verdict.WRONG_RESULT}

HourKey = tuple[int, bytes]
"""Begin of the hour, and the model."""


@dataclass(slots=True)
class Totals:
    """Numbers by column; those of zero say nothing.

    Attributes:
        participants: By address.
        hours: By hour and model.
    """

    participants: dict[str, Counter[str]] = field(default_factory=dict)
    hours: dict[HourKey, Counter[str]] = field(default_factory=dict)

    def count_job(self, rows: JobRows, sign: int) -> None:
        """Add (1) or take back (-1) what a job contributes."""
        job = rows.job
        escrow, is_accepted = job["escrowed"], job["state"] == JobState.ACCEPTED
        self._add_participant(
            job["requester"],
            sign,
            jobs_posted=1,
            jobs_accepted=int(is_accepted),
            escrowed=escrow,
            refunded=job["refunded"] or 0,
        )
        model_id = job["model_id"]
        self._add_hour(job["posted_at"], model_id, sign, posted=1, escrowed=escrow)
        for member in rows.members:
            if member["seat_id"] != 0:
                self._count_member(member, sign)
        if job["ended_at"] is not None:
            self._count_ending(job, rows.members, sign)

    def count_seats(self, rows: Iterable[Row], sign: int) -> None:
        """Add or take back what the openings of a seat contribute."""
        for row in rows:
            is_open = row["closed_at"] is None
            self._add_participant(
                row["owner"], sign, seats_opened=1, seats_open=int(is_open)
            )

    def count_event(self, event: Event, sign: int) -> None:
        """Add or take back what an event by itself contributes."""
        if isinstance(event, StakeDeposited):
            self._add_participant(event.account, sign, deposited=event.amount)
        elif isinstance(event, Withdrawn):
            self._add_participant(event.account, sign, withdrawn=event.amount)
        elif isinstance(event, BountyPaid):
            self._add_participant(event.caller, sign, bounties=event.amount)

    def _count_member(self, member: Row, sign: int) -> None:
        verdict = Verdict(member["verdict"])
        has_agreed = verdict is Verdict.AGREED
        self._add_participant(
            member["worker"],
            sign,
            places=1,
            committed=int(member["commitment"] is not None),
            revealed=int(member["answer"] is not None),
            completed=int(has_agreed),
            missed=int(verdict in _MISSED),
            slashed_count=int(verdict in _BOND_LOST),
            slashed=member["slashed"],
            tokens=member["token_count"] if has_agreed else 0,
            earned=member["earned"],
        )

    def _count_ending(self, job: Row, members: Iterable[Row], sign: int) -> None:
        state = JobState(job["state"])
        is_accepted = state is JobState.ACCEPTED
        seconds = job["ended_at"] - job["posted_at"] if is_accepted else 0
        self._add_hour(
            job["ended_at"],
            job["model_id"],
            sign,
            **{_ENDINGS[state]: 1},
            prompts=job["prompt_count"] if is_accepted else 0,
            tokens=(job["token_count"] or 0) if is_accepted else 0,
            seconds=seconds,
            paid=job["paid"] or 0,
            refunded=job["refunded"] or 0,
            fee=job["fee"] or 0,
            slashed=sum(member["slashed"] for member in members),
        )

    def _add_participant(self, address: str, sign: int, **numbers: int) -> None:
        total = self.participants.setdefault(address, Counter())
        _add(total, sign, numbers)

    def _add_hour(self, at: int, model_id: bytes, sign: int, **numbers: int) -> None:
        key = (at - at % HOUR_SECONDS, model_id)
        _add(self.hours.setdefault(key, Counter()), sign, numbers)


def _add(total: Counter[str], sign: int, numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        total[name] += sign * number
