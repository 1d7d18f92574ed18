"""What a job ended with, from its events in any company."""

from __future__ import annotations

from dataclasses import replace

from eth_utils.crypto import keccak

from protocol.market.endings import ending_of
from protocol.market.events import (
    Event,
    JobSettled,
    Log,
    ResultAccepted,
    ResultRevealed,
)
from protocol.market.types import JobId, JobState, Outcome, OutcomeStatus
from tests.support.market.values import an_address, an_outcome

JOB = JobId(bytes(32))
RIGHT, WRONG = an_outcome("right"), an_outcome("wrong")
TRANSCRIPT = keccak(text="transcript")
SETTLED = JobSettled(JOB, JobState.ACCEPTED, 1, 2, 3, TRANSCRIPT)


def _logs(*events: Event) -> list[Log]:
    return [Log(event, 1, "0x", "0x", 0, an_address("m")) for event in events]


def _revealed(outcome: Outcome) -> ResultRevealed:
    return ResultRevealed(JOB, an_address("w"), 1, 0, outcome, bytes(32))


def test_ending_of_an_accepted_job_is_the_quorums_outcome() -> None:
    accepted = ResultAccepted(JOB, 2, RIGHT.answer())
    ending = ending_of(_logs(_revealed(WRONG), _revealed(RIGHT), accepted, SETTLED))
    assert ending is not None
    assert (ending.outcome, ending.transcript) == (RIGHT, TRANSCRIPT)


def test_ending_of_a_failed_job_has_no_outcome() -> None:
    failed = replace(SETTLED, state=JobState.FAILED)
    ending = ending_of(_logs(_revealed(RIGHT), failed))
    assert ending is not None and ending.outcome == Outcome.none()
    assert ending.outcome.status is OutcomeStatus.UNSET
    assert ending.outcome.to_bytes() == bytes(5 * 32)


def test_ending_of_a_job_that_goes_on_is_none() -> None:
    assert ending_of(_logs(_revealed(RIGHT))) is None
