"""What this worker owes to a job: at what stage that is, and the next step.

The chain is the memory of what was committed and revealed; the journal only adds what
the chain cannot know: the outcome that was computed. So a worker that restarts asks the
same questions and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from protocol.market.types import JobId, JobState, Outcome, Round

__all__ = ["Duty", "DutyKey", "JobStage", "Step", "next_step", "stage_of"]


class Step(StrEnum):
    """The next thing to do for a duty."""

    COMPUTE = "compute"
    COMMIT = "commit"
    PUBLISH = "publish"
    REVEAL = "reveal"
    WAIT = "wait"
    FINISH = "finish"


class JobStage(StrEnum):
    """Where a live duty stands, from its draw to the end of its round."""

    COMPUTING = "computing"
    COMMITTING = "committing"
    COMMITTED = "committed"
    REVEALING = "revealing"
    REVEALED = "revealed"
    MISSED = "missed"


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


def stage_of(duty: Duty, current: Round, now: int) -> JobStage | None:
    """How far a duty is; None unless its round is in progress.

    Args:
        duty: The place, and whether its outcome was computed.
        current: The job's round as the chain has it.
        now: Time of the latest block, Unix seconds.
    """
    if current.number != duty.round_number:
        return None
    has_committed = current.has_committed(duty.place)
    is_late = now > current.deadline
    if current.state is JobState.COMMITTING:
        if has_committed:
            return JobStage.COMMITTED
        if is_late:
            return JobStage.MISSED
        return JobStage.COMPUTING if duty.outcome is None else JobStage.COMMITTING
    if current.state is not JobState.REVEALING:
        return None
    if current.has_revealed(duty.place):
        return JobStage.REVEALED
    return JobStage.MISSED if is_late or not has_committed else JobStage.REVEALING


def next_step(duty: Duty, current: Round, now: int) -> Step:
    """What to do for a duty.

    Args:
        duty: The place and what is known about its result.
        current: The job's round as the chain has it.
        now: Time of the latest block, Unix seconds.
    """
    stage = stage_of(duty, current, now)
    if stage is JobStage.COMPUTING:
        return Step.COMPUTE
    if stage is JobStage.COMMITTING:
        return Step.COMMIT
    if stage is JobStage.REVEALING:
        return _step_of_reveal(duty)
    is_over = current.state.is_final or current.number != duty.round_number
    return Step.FINISH if is_over else Step.WAIT


def _step_of_reveal(duty: Duty) -> Step:
    """The bytes go out first: whoever sees the reveal can fetch them."""
    if duty.outcome is None:
        return Step.COMPUTE
    needs_bytes = duty.results is not None and not duty.is_published
    return Step.PUBLISH if needs_bytes else Step.REVEAL
