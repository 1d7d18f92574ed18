"""A job's history, rebuilt from the marketplace's events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from protocol.chain.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    SeatSlashed,
    WorkerPaid,
)
from protocol.errors import JobNotFound
from protocol.market import JobId, JobParams, JobState, Outcome
from requester.transcript import Member, Phase, round_word

__all__ = ["Entry", "Timeline"]

_Event = TypeVar("_Event", bound=Event)
_RoundEvent = TypeVar("_RoundEvent", ResultCommitted, ResultRevealed)


@dataclass(frozen=True, slots=True)
class Entry(Generic[_Event]):
    """An event of a known kind, and its log.

    Attributes:
        event: What happened.
        log: Where it stands.
    """

    event: _Event
    log: Log


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything the chain says about one job.

    Of rounds, the last drawn one is shown.

    Attributes:
        posted: The job's posting.
        armed: The last arming of a draw.
        drawn: The last drawn committee.
        committed: Commitments in that round.
        opened: The early opening of its reveal window.
        revealed: Reveals in that round.
        accepted: The answer of a quorum.
        workers_paid: Pay of workers.
        bounties: Pay of those who moved the job forward.
        slashed: Bonds lost to the sink.
        settled: The end, Accepted or Failed.
        cancelled: The end, withdrawn.
        logs: All of it, in the chain's order.
    """

    posted: Entry[JobPosted]
    armed: Entry[DrawArmed] | None
    drawn: Entry[CommitteeDrawn] | None
    committed: tuple[Entry[ResultCommitted], ...]
    opened: Entry[RevealOpened] | None
    revealed: tuple[Entry[ResultRevealed], ...]
    accepted: Entry[ResultAccepted] | None
    workers_paid: tuple[Entry[WorkerPaid], ...]
    bounties: tuple[Entry[BountyPaid], ...]
    slashed: tuple[Entry[SeatSlashed], ...]
    settled: Entry[JobSettled] | None
    cancelled: Entry[JobCancelled] | None
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
        ordered = tuple(sorted(own, key=lambda log: (log.block_number, log.log_index)))
        posted = _last(ordered, JobPosted)
        if posted is None:
            raise JobNotFound(
                f"job 0x{job_id.hex()} was never posted on this marketplace; check "
                "the id, the deployment file and the RPC's chain"
            )
        drawn = _last(ordered, CommitteeDrawn)
        number = drawn.event.round if drawn else 0
        opened = _last(ordered, RevealOpened)
        return cls(
            posted=posted,
            armed=_last(ordered, DrawArmed),
            drawn=drawn,
            committed=_of_round(_all(ordered, ResultCommitted), number),
            opened=opened if opened and opened.event.round == number else None,
            revealed=_of_round(_all(ordered, ResultRevealed), number),
            accepted=_last(ordered, ResultAccepted),
            workers_paid=_all(ordered, WorkerPaid),
            bounties=_all(ordered, BountyPaid),
            slashed=_all(ordered, SeatSlashed),
            settled=_last(ordered, JobSettled),
            cancelled=_last(ordered, JobCancelled),
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
    def state(self) -> JobState:
        """State as far as events tell; a window that ran out emits none."""
        if self.settled is not None:
            return self.settled.event.state
        if self.cancelled is not None:
            return JobState.CANCELLED
        if self.opened is not None or self.revealed:
            return JobState.REVEALING
        return JobState.OPEN if self.drawn is None else JobState.COMMITTING

    @property
    def refunded(self) -> int:
        """Units that have come back to the requester so far."""
        ending = self.settled or self.cancelled
        return 0 if ending is None else ending.event.refunded

    @property
    def outcome(self) -> Outcome | None:
        """The accepted outcome, once there is one."""
        if self.accepted is None:
            return None
        answer = self.accepted.event.answer
        outcomes = (entry.event.outcome for entry in self.revealed)
        return next((o for o in outcomes if o.answer() == answer), None)

    @property
    def members(self) -> tuple[Member, ...]:
        """The committee's places with what each of them has done so far."""
        if self.drawn is None:
            return ()
        drawn = self.drawn.event
        commitments = {e.event.place: e.event.commitment for e in self.committed}
        answers = {e.event.place: e.event.outcome.answer() for e in self.revealed}
        places = enumerate(zip(drawn.seat_ids, drawn.workers, strict=True))
        return tuple(
            Member(seat_id, worker, commitments.get(place), answers.get(place))
            for place, (seat_id, worker) in places
        )

    @property
    def round_word(self) -> int:
        """The drawn round's storage word. Raises ValueError before the draw."""
        if self.drawn is None:
            raise ValueError("no committee has been drawn")
        phase, deadline = Phase.COMMITTING, self.drawn.event.commit_deadline
        if self.opened is not None:
            phase, deadline = Phase.REVEALING, self.opened.event.reveal_deadline
        return round_word(
            self.members,
            round_number=self.drawn.event.round,
            phase=phase,
            deadline=deadline,
        )


def _all(logs: Sequence[Log], kind: type[_Event]) -> tuple[Entry[_Event], ...]:
    return tuple(Entry(log.event, log) for log in logs if isinstance(log.event, kind))


def _last(logs: Sequence[Log], kind: type[_Event]) -> Entry[_Event] | None:
    found = _all(logs, kind)
    return found[-1] if found else None


def _of_round(
    entries: tuple[Entry[_RoundEvent], ...], number: int
) -> tuple[Entry[_RoundEvent], ...]:
    return tuple(entry for entry in entries if entry.event.round == number)
