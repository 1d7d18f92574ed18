"""What to do next, decided from facts alone.

The chain is the memory of what was committed and revealed; the journal only adds what
the chain cannot know: the outcome that was computed. So a worker that restarts asks the
same questions and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from protocol.market.types import JobId, JobState, Outcome, Round

__all__ = ["Duty", "DutyKey", "Step", "next_step"]


class Step(StrEnum):
    """The next thing to do for a duty."""

    COMPUTE = "compute"
    COMMIT = "commit"
    PUBLISH = "publish"
    REVEAL = "reveal"
    WAIT = "wait"
    FINISH = "finish"


class DutyKey(NamedTuple):
    """What tells duties apart: a worker has one place in a round of a job."""

    job_id: JobId
    round_number: int


@dataclass(frozen=True, slots=True)
class Duty:
    """This worker's place on a committee.

    Attributes:
        job_id: The job.
        round_number: The round, from 1.
        place: Place on the committee.
        seat_id: The seat that was drawn.
        drawn_at: Unix time of the draw.
        commit_deadline: Last second of the commit window, Unix time.
        outcome: What was computed, once it was.
        results: Bytes of the results document; None before, and for an error outcome.
        is_published: Whether those bytes are on IPFS.
    """

    job_id: JobId
    round_number: int
    place: int
    seat_id: int
    drawn_at: int
    commit_deadline: int
    outcome: Outcome | None = None
    results: bytes | None = None
    is_published: bool = False

    @property
    def key(self) -> DutyKey:
        """What tells it apart from other duties."""
        return DutyKey(self.job_id, self.round_number)


def next_step(duty: Duty, current: Round, now: int) -> Step:
    """Decide for one duty.

    Args:
        duty: The place and what is known about its result.
        current: The job's round as the chain has it.
        now: Time of the latest block, Unix seconds.
    """
    if current.state.is_final or current.number != duty.round_number:
        return Step.FINISH
    if now > current.deadline or current.state not in _ACTIVE:
        return Step.WAIT
    has_committed = bool(current.committed >> duty.place & 1)
    if current.state is JobState.COMMITTING:
        return Step.WAIT if has_committed else _toward_commit(duty)
    has_revealed = bool(current.revealed >> duty.place & 1)
    if has_revealed or not has_committed:
        return Step.WAIT
    return _toward_reveal(duty)


_ACTIVE = frozenset({JobState.COMMITTING, JobState.REVEALING})


def _toward_commit(duty: Duty) -> Step:
    return Step.COMPUTE if duty.outcome is None else Step.COMMIT


def _toward_reveal(duty: Duty) -> Step:
    """The bytes go out first: whoever sees the reveal can fetch them."""
    if duty.outcome is None:
        return Step.COMPUTE
    needs_bytes = duty.results is not None and not duty.is_published
    return Step.PUBLISH if needs_bytes else Step.REVEAL
