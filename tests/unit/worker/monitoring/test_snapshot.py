from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.market.types import (
    JobId,
    JobState,
    ModelId,
    Outcome,
    OutcomeStatus,
    Round,
)
from worker.drain import can_still_draw
from worker.duty import Duty
from worker.metrics import JobStage, SeatState
from worker.monitoring.snapshot import stage_of
from worker.seats.holdings import HeldSeat

DEADLINE = 1_000
DUTY = Duty(
    job_id=JobId(b"\1" * 32),
    round_number=1,
    place=1,
    seat_id=5,
    drawn_at=900,
    commit_deadline=DEADLINE,
)
COMPUTED = replace(DUTY, outcome=Outcome.error(OutcomeStatus.INPUT_INVALID))
ROUND = Round(
    state=JobState.COMMITTING,
    number=1,
    seed_block=0,
    expiry_block=0,
    deadline=DEADLINE,
    seat_ids=(4, 5, 6),
    committed=0b101,
    revealed=0,
    record=bytes(32),
    is_delivered=False,
)
REVEALING = replace(ROUND, state=JobState.REVEALING, committed=0b111)


@pytest.mark.parametrize(
    ("duty", "current", "now", "stage"),
    [
        (DUTY, ROUND, DEADLINE, JobStage.COMPUTING),
        (COMPUTED, ROUND, DEADLINE, JobStage.COMMITTING),
        (COMPUTED, ROUND, DEADLINE + 1, JobStage.MISSED),
        (COMPUTED, replace(ROUND, committed=0b010), DEADLINE + 1, JobStage.COMMITTED),
        (COMPUTED, REVEALING, DEADLINE, JobStage.REVEALING),
        (COMPUTED, REVEALING, DEADLINE + 1, JobStage.MISSED),
        (COMPUTED, replace(REVEALING, committed=0b101), DEADLINE, JobStage.MISSED),
        (COMPUTED, replace(REVEALING, revealed=0b010), DEADLINE + 1, JobStage.REVEALED),
        (COMPUTED, replace(ROUND, state=JobState.ACCEPTED), DEADLINE, None),
        (COMPUTED, replace(ROUND, state=JobState.OPEN, number=2), DEADLINE, None),
        (COMPUTED, replace(ROUND, number=2), DEADLINE, None),
    ],
)
def test_stage_of_a_duty_follows_the_chain(
    duty: Duty, current: Round, now: int, stage: JobStage | None
) -> None:
    assert stage_of(duty, current, now) is stage


OPEN = replace(ROUND, state=JobState.OPEN, seed_block=50, expiry_block=306, deadline=0)


@pytest.mark.parametrize(
    ("current", "close_block", "head", "can"),
    [
        # The roster froze as it stood before block 49.
        (OPEN, 48, 60, False),
        (OPEN, 49, 60, True),
        (OPEN, 49, 305, True),
        (OPEN, 49, 306, False),
        (ROUND, 49, 60, False),
    ],
)
def test_can_still_draw_a_closing_seat_only_if_armed_before(
    current: Round, close_block: int, head: int, can: bool
) -> None:
    assert can_still_draw(current, close_block, head) is can


SEAT = HeldSeat(5, ModelId(b"\7" * 32), 0, False, None, None)


@pytest.mark.parametrize(
    ("seat", "state"),
    [
        (SEAT, SeatState.IDLE),
        (replace(SEAT, is_busy=True), SeatState.BUSY),
        (replace(SEAT, close_requested_block=9), SeatState.CLOSING),
        (replace(SEAT, close_requested_block=9, is_busy=True), SeatState.BUSY),
    ],
)
def test_state_of_a_seat_puts_its_job_first(seat: HeldSeat, state: SeatState) -> None:
    assert seat.state is state


@pytest.mark.parametrize(
    ("changes", "head", "can"),
    [
        ({}, 400, False),
        ({"close_requested_block": 9, "leaves_at_block": 267}, 265, False),
        ({"close_requested_block": 9, "leaves_at_block": 267}, 266, True),
        (
            {"close_requested_block": 9, "leaves_at_block": 267, "is_busy": True},
            266,
            False,
        ),
    ],
)
def test_can_leave_a_seat_once_its_block_comes_next(
    changes: dict[str, int | bool], head: int, can: bool
) -> None:
    assert replace(SEAT, **changes).can_leave(head) is can  # type: ignore[arg-type]
