"""A job's whole history, from its events in any order and company."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.errors import JobNotFound
from protocol.market.events import DrawArmed, Event, JobCancelled, JobSettled
from protocol.market.timeline import RESULT_EVENTS, Timeline, logs_to_end
from protocol.market.types import JobId, JobState, Outcome
from tests.unit.devnet.demo.builders import (
    BOUNTY,
    ESCROWED,
    HONEST,
    JOB,
    PAY,
    WORKERS,
    an_accepted_job,
    logs_of,
)

# Which block of `an_accepted_job` does what.
DRAWN, COMMITTED, ACCEPTED = 3, 6, 8


def _timeline(blocks: list[list[Event]]) -> Timeline:
    return Timeline.of(JOB, logs_of(blocks))


def _ending(blocks: list[list[Event]], **changes: object) -> list[list[Event]]:
    """The blocks, with another end."""
    *before, (*events, settled) = blocks
    assert isinstance(settled, JobSettled)
    return [*before, [*events, replace(settled, **changes)]]  # type: ignore[arg-type]


def test_of_events_in_any_order_and_company_is_the_jobs_history() -> None:
    logs = logs_of(an_accepted_job(liar=2))
    others = [
        replace(log, event=replace(log.event, job_id=JobId(bytes(32))))  # type: ignore[call-arg]
        for log in logs
        if hasattr(log.event, "job_id")
    ]
    timeline = Timeline.of(JOB, [*reversed(logs), *others])
    assert timeline == Timeline.of(JOB, logs)
    assert timeline.outcome == HONEST
    assert timeline.accepted is not None
    assert timeline.accepted.log.block_number == 107
    assert [entry.event.amount for entry in timeline.workers_paid] == [PAY, PAY]
    assert [entry.event.amount for entry in timeline.bounties] == [BOUNTY]
    assert timeline.refunded == ESCROWED - (2 * PAY + BOUNTY) * 101 // 100


def test_of_events_without_the_posting_raises() -> None:
    with pytest.raises(JobNotFound, match="was never posted"):
        Timeline.of(JOB, logs_of(an_accepted_job()[1:]))


@pytest.mark.parametrize(
    ("blocks", "state"),
    [
        (1, JobState.OPEN),
        (DRAWN, JobState.COMMITTING),
        (COMMITTED, JobState.COMMITTING),
        (COMMITTED + 1, JobState.REVEALING),
        (ACCEPTED, JobState.REVEALING),
        (ACCEPTED + 1, JobState.ACCEPTED),
    ],
)
def test_state_follows_the_events(blocks: int, state: JobState) -> None:
    assert _timeline(an_accepted_job()[:blocks]).state is state


def test_places_tell_what_each_member_did() -> None:
    (one,) = _timeline(an_accepted_job()[:COMMITTED]).rounds
    assert [place.worker for place in one.places] == list(WORKERS)
    assert [place.seat_id for place in one.places] == [1, 2, 3]
    assert [place.committed is not None for place in one.places] == [True, True, False]
    assert all(place.revealed is None for place in one.places)


def test_deliverable_of_an_accepted_job_is_the_quorums_outcome() -> None:
    assert _timeline(an_accepted_job(liar=0)).deliverable == (HONEST, b"t")


def test_deliverable_of_a_failed_job_has_no_outcome() -> None:
    failed = _ending(an_accepted_job()[:DRAWN] + an_accepted_job()[-1:])
    blocks = _ending(failed, state=JobState.FAILED)
    deliverable = _timeline(blocks).deliverable
    assert deliverable is not None
    outcome, transcript = deliverable
    assert (outcome, transcript) == (Outcome.none(), b"t")
    assert outcome.to_bytes() == bytes(5 * 32)


def test_deliverable_of_a_job_that_goes_on_or_was_cancelled_is_none() -> None:
    assert _timeline(an_accepted_job()[:ACCEPTED]).deliverable is None
    cancelled = _timeline([an_accepted_job()[0], [JobCancelled(JOB, ESCROWED)]])
    assert cancelled.deliverable is None
    assert cancelled.ended == cancelled.cancelled


def test_logs_to_end_leave_out_armings_and_what_follows_the_end() -> None:
    blocks = an_accepted_job()
    after = [blocks[2][1]]
    kept = logs_to_end(_timeline([*blocks, after]).logs)
    before = [log.event for log in logs_of(blocks) if hasattr(log.event, "job_id")]
    assert [log.event for log in kept] == [
        event for event in before if not isinstance(event, DrawArmed)
    ]
    assert all(isinstance(log.event, RESULT_EVENTS) for log in kept)
