"""What events of jobs and seats amount to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from eth_utils.crypto import keccak

from gateway.indexer.projection import (
    JobRows,
    Verdict,
    project_job,
    project_model,
    project_seat,
    time_of,
)
from gateway.indexer.totals import Totals
from protocol.market.events import (
    CommitteeDrawn,
    EntrySkipped,
    Event,
    JobSettled,
    Log,
    ModelRegistered,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RoundSplit,
    SeatClosed,
    SeatClosing,
    SeatOpened,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.types import JobId, JobState, Outcome, OutcomeStatus, SlashReason
from tests.support.market.market_history import (
    MADE_MARKETPLACE,
    START_TIME,
    a_job_life,
    an_account,
)
from tests.support.market.values import a_digest, a_model, an_outcome

JOB = JobId(keccak(text="job 1"))
WORKERS = tuple(an_account(100 + number) for number in range(3))
RIGHT, WRONG = an_outcome("right"), an_outcome("wrong")
UNAVAILABLE = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)


def logs_of(*events: Event) -> list[Log]:
    """A block for each event."""
    return [
        Log(
            event=event,
            block_number=number,
            block_hash=f"0x{number:064x}",
            tx_hash=f"0x{number:064x}",
            log_index=0,
            address=MADE_MARKETPLACE,
            block_time=START_TIME + number,
        )
        for number, event in enumerate(events)
    ]


def a_start() -> list[Event]:
    """Posted, and a committee drawn."""
    posting, drawing, *_ = a_job_life(1)
    return [*posting[0], *drawing[0]]


def said(*outcomes: Outcome | None) -> list[Event]:
    """Commitments of all, and reveals of those that said something."""
    events: list[Event] = [
        ResultCommitted(JOB, worker, 1, place, a_digest(f"c{place}"))
        for place, worker in enumerate(WORKERS[: len(outcomes)])
    ]
    for place, outcome in enumerate(outcomes):
        if outcome is not None:
            events.append(
                ResultRevealed(JOB, WORKERS[place], 1, place, outcome, a_digest("s"))
            )
    return events


def an_end(state: JobState = JobState.ACCEPTED) -> JobSettled:
    return JobSettled(JOB, state, 10, 5, 1, a_digest("end"))


def rows_of(*events: Event) -> JobRows:
    rows = project_job(JOB, logs_of(*a_start(), *events))
    assert rows is not None
    return rows


def verdicts(rows: JobRows) -> list[str]:
    return [member["verdict"] for member in rows.members]


def states_of(events: Sequence[Event]) -> list[JobState]:
    """The state after each event."""
    found = []
    for count in range(1, len(events) + 1):
        rows = project_job(JOB, logs_of(*events[:count]))
        assert rows is not None
        found.append(JobState(rows.job["state"]))
    return found


def test_project_job_passes_through_the_states_in_order() -> None:
    events = [event for block in a_job_life(1) for events in block for event in events]
    states = states_of(events)
    assert [state for state, _ in itertools.groupby(states)] == [
        JobState.OPEN,
        JobState.COMMITTING,
        JobState.REVEALING,
        JobState.ACCEPTED,
    ]


def test_project_job_without_its_posting_is_nothing() -> None:
    skipped = EntrySkipped(JOB, WORKERS[0], 0, b"\0" * 4)
    assert project_job(JOB, logs_of(skipped)) is None
    assert project_job(JOB, []) is None


def test_project_job_has_the_deadline_of_the_open_window() -> None:
    events = a_start()
    drawn = next(event for event in events if isinstance(event, CommitteeDrawn))
    open_job = project_job(JOB, logs_of(*events[:2]))
    assert open_job is not None
    assert (open_job.job["deadline_at"], open_job.job["expiry_block"]) == (None, 105)
    committing = rows_of()
    assert committing.job["deadline_at"] == drawn.commit_deadline
    assert committing.job["expiry_block"] is None
    # Without the event that opens it, the window's end is not stated.
    assert rows_of(*said(RIGHT)).job["deadline_at"] is None
    assert rows_of(an_end()).job["deadline_at"] is None


def test_project_job_judges_only_at_the_end() -> None:
    events = [*said(RIGHT, RIGHT, WRONG), ResultAccepted(JOB, 1, RIGHT.answer())]
    assert verdicts(rows_of(*events)) == ["pending"] * 3
    slashed = SeatSlashed(JOB, WORKERS[2], 3, SlashReason.WRONG_RESULT, 7)
    rows = rows_of(*events, slashed, WorkerPaid(JOB, WORKERS[0], 4), an_end())
    assert verdicts(rows) == ["agreed", "agreed", "wrong_result"]
    assert [member["earned"] for member in rows.members] == [4, 0, 0]
    assert [member["slashed"] for member in rows.members] == [0, 0, 7]
    assert rows.job["results_digest"] == RIGHT.results_digest


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        # A split keeps who answered waiting, and lets go of who had no input.
        (RoundSplit(JOB, 1, a_digest("t")), ["pending", "unavailable", "pending"]),
        (an_end(JobState.FAILED), ["disagreed", "unavailable", "disagreed"]),
    ],
)
def test_project_job_without_a_quorum_tells_why(
    ending: Event, expected: list[str]
) -> None:
    assert verdicts(rows_of(*said(RIGHT, UNAVAILABLE, WRONG), ending)) == expected


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        (SlashReason.NO_SHOW, Verdict.NO_SHOW),
        (SlashReason.NOT_REVEALED, Verdict.NOT_REVEALED),
        (SlashReason.WRONG_RESULT, Verdict.WRONG_RESULT),
    ],
)
def test_project_job_names_the_fault_that_cost_a_bond(
    reason: SlashReason, verdict: Verdict
) -> None:
    slashed = SeatSlashed(JOB, WORKERS[1], 2, reason, 9)
    rows = rows_of(slashed, an_end(JobState.FAILED))
    assert verdicts(rows)[1] == verdict
    totals = Totals()
    totals.count_job(rows, 1)
    counted = totals.participants[WORKERS[1]]
    is_no_show = reason is SlashReason.NO_SHOW
    assert (counted["missed"], counted["slashed_count"]) == (
        int(is_no_show),
        int(not is_no_show),
    )
    assert counted["slashed"] == 9


def test_project_seat_of_an_id_used_twice_has_two_rows() -> None:
    model = a_model().model_id()
    first, second = an_account(1), an_account(2)
    rows = project_seat(
        logs_of(
            SeatOpened(5, first, model, 0),
            SeatClosing(5, first),
            SeatClosed(5, first, 100),
            SeatOpened(5, second, model, 3),
            SeatSlashed(JOB, second, 5, SlashReason.NO_SHOW, 30),
        )
    )
    assert [(row["owner"], row["tick"]) for row in rows] == [(first, 0), (second, 3)]
    assert (rows[0]["closing_at"], rows[0]["closed_at"]) == (
        START_TIME + 1,
        START_TIME + 2,
    )
    assert (rows[0]["returned"], rows[0]["slashed"]) == (100, None)
    assert (rows[1]["slashed"], rows[1]["slashed_job"]) == (30, JOB)
    assert rows[1]["closed_at"] is None


def test_project_model_of_a_profile_that_is_no_text_keeps_its_bytes() -> None:
    spec = a_model()
    registered = ModelRegistered(spec.model_id(), an_account(1), spec)
    (log,) = logs_of(registered)
    row = project_model(log)
    assert row is not None
    assert row["profile"] == spec.profile
    (other,) = logs_of(SeatClosing(1, an_account(1)))
    assert project_model(other) is None


def test_count_job_taken_back_leaves_nothing() -> None:
    totals = Totals()
    rows = rows_of(*said(RIGHT, RIGHT, WRONG), an_end())
    totals.count_job(rows, 1)
    assert any(any(total.values()) for total in totals.participants.values())
    totals.count_job(rows, -1)
    assert not any(any(total.values()) for total in totals.participants.values())
    assert not any(any(total.values()) for total in totals.hours.values())


def test_time_of_a_log_without_a_time_is_refused() -> None:
    log = Log(SeatClosing(1, WORKERS[0]), 3, "0x", "0x", 0, MADE_MARKETPLACE)
    with pytest.raises(ValueError, match="block 3"):
        time_of(log)
