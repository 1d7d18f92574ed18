"""A job's history, rebuilt from the marketplace's events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from protocol.errors import JobNotFound
from protocol.hexadecimal import to_hex
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Entry,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
    SeatSlashed,
    WorkerPaid,
    entries_of,
    last_entry,
)
from protocol.market.round_history import RoundHistory
from protocol.market.types import JobId, JobParams, JobState, Outcome

__all__ = ["RESULT_EVENTS", "Timeline", "logs_to_end"]

RESULT_EVENTS: tuple[type[Event], ...] = (
    JobPosted,
    CommitteeDrawn,
    ResultCommitted,
    RevealOpened,
    ResultRevealed,
    ResultAccepted,
    RoundSplit,
    WorkerPaid,
    BountyPaid,
    SeatSlashed,
    JobSettled,
)
"""Every event of a job up to its end but `DrawArmed` and `EntrySkipped`, which say
nothing about the result."""


def logs_to_end(logs: Iterable[Log]) -> list[Log]:
    """What shows how a job came to its end.

    Args:
        logs: Its events, in the chain's order.

    Returns:
        Those of `RESULT_EVENTS`, up to `JobSettled`.
    """
    kept: list[Log] = []
    for log in logs:
        if isinstance(log.event, RESULT_EVENTS):
            kept.append(log)
            if isinstance(log.event, JobSettled):
                break
    return kept


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything the chain says about one job.

    Attributes:
        posted: The job's posting.
        rounds: The rounds whose draw was armed, in order.
        workers_paid: Pay of workers.
        bounties: Pay of those who moved the job to its end.
        slashed: Bonds lost to the sink.
        settled: The end, Accepted or Failed.
        cancelled: The end, withdrawn.
        delivered: The callback's call, which comes after the end.
        logs: All of it, in the chain's order.
    """

    posted: Entry[JobPosted]
    rounds: tuple[RoundHistory, ...]
    workers_paid: tuple[Entry[WorkerPaid], ...]
    bounties: tuple[Entry[BountyPaid], ...]
    slashed: tuple[Entry[SeatSlashed], ...]
    settled: Entry[JobSettled] | None
    cancelled: Entry[JobCancelled] | None
    delivered: Entry[ResultDelivered] | None
    logs: tuple[Log, ...]

    @classmethod
    def of(cls, job_id: JobId, logs: Sequence[Log]) -> Timeline:
        """Rebuilds the history of one job.

        Args:
            job_id: The job.
            logs: Its events, in any order; events of others are ignored.

        Raises:
            JobNotFound: Its posting is not among them.
        """
        own = (log for log in logs if getattr(log.event, "job_id", None) == job_id)
        ordered = tuple(sorted(own, key=lambda log: log.position))
        posted = last_entry(ordered, JobPosted)
        if posted is None:
            raise JobNotFound(
                f"job {to_hex(job_id)} was never posted on this marketplace; check "
                "the id, the deployment file and the RPC's chain"
            )
        settled = last_entry(ordered, JobSettled)
        return cls(
            posted=posted,
            rounds=_rounds(ordered),
            workers_paid=entries_of(ordered, WorkerPaid),
            bounties=_before(settled, entries_of(ordered, BountyPaid)),
            slashed=entries_of(ordered, SeatSlashed),
            settled=settled,
            cancelled=last_entry(ordered, JobCancelled),
            delivered=last_entry(ordered, ResultDelivered),
            logs=ordered,
        )

    @property
    def job_id(self) -> JobId:
        """The job."""
        return self.posted.event.job_id

    @property
    def params(self) -> JobParams:
        """What was asked for."""
        return self.posted.event.params

    @property
    def armed(self) -> Entry[DrawArmed] | None:
        """The last arming of a draw."""
        return self.rounds[-1].armed if self.rounds else None

    @property
    def last_drawn(self) -> RoundHistory | None:
        """The last round that has a committee."""
        return next((one for one in reversed(self.rounds) if one.drawn), None)

    @property
    def accepted(self) -> Entry[ResultAccepted] | None:
        """The answer of a quorum."""
        return next((one.accepted for one in self.rounds if one.accepted), None)

    @property
    def state(self) -> JobState:
        """State as far as events tell; a window that ran out emits none."""
        if self.settled is not None:
            return self.settled.event.state
        if self.cancelled is not None:
            return JobState.CANCELLED
        current = self.rounds[-1] if self.rounds else None
        if current is None or current.drawn is None:
            return JobState.OPEN
        is_revealing = current.opened is not None or current.revealed
        return JobState.REVEALING if is_revealing else JobState.COMMITTING

    @property
    def ended(self) -> Entry[JobSettled] | Entry[JobCancelled] | None:
        """The end of whatever kind."""
        return self.settled or self.cancelled

    @property
    def refunded(self) -> int:
        """Units that have come back to the requester so far."""
        return 0 if self.ended is None else self.ended.event.refunded

    @property
    def payments(self) -> tuple[int, ...]:
        """What workers and callers were paid up to the end, units."""
        workers = [entry.event.amount for entry in self.workers_paid]
        return (*workers, *(entry.event.amount for entry in self.bounties))

    def paid_to(self, worker: ChecksumAddress) -> int:
        """Units that a worker was paid."""
        paid = (entry.event for entry in self.workers_paid)
        return sum(event.amount for event in paid if event.worker == worker)

    def slash_of(self, worker: ChecksumAddress) -> SeatSlashed | None:
        """What a worker lost of its bond; it holds at most one place of a job."""
        lost = (entry.event for entry in self.slashed)
        return next((event for event in lost if event.worker == worker), None)

    @property
    def deliverable(self) -> tuple[Outcome, bytes] | None:
        """Outcome and transcript that the callback is called with.

        The outcome of a Failed job is `Outcome.none()`. None while the job goes on, and
        if it was cancelled.
        """
        if self.settled is None:
            return None
        return self.outcome or Outcome.none(), self.settled.event.transcript

    @property
    def outcome(self) -> Outcome | None:
        """The accepted outcome, once there is one."""
        if self.accepted is None:
            return None
        answer = self.accepted.event.answer
        reveals = (entry for one in self.rounds for entry in one.revealed)
        outcomes = (entry.event.outcome for entry in reveals)
        return next((o for o in outcomes if o.answer() == answer), None)

    @property
    def transcript(self) -> bytes:
        """Hash of all drawn rounds at their ends, as `JobSettled` carries it."""
        earlier = bytes(32)
        for one in self.rounds:
            earlier = one.transcript(earlier)
        return earlier


def _rounds(logs: Sequence[Log]) -> tuple[RoundHistory, ...]:
    numbers = {
        log.event.round
        for log in logs
        if isinstance(log.event, DrawArmed | CommitteeDrawn)
    }
    return tuple(RoundHistory.of(number, logs) for number in sorted(numbers))


def _before(
    settled: Entry[JobSettled] | None, entries: tuple[Entry[BountyPaid], ...]
) -> tuple[Entry[BountyPaid], ...]:
    """What came before the end: the bounty of a delivery comes after it."""
    if settled is None:
        return entries
    end = settled.log.position
    return tuple(entry for entry in entries if entry.log.position < end)
