"""A round, moved by its events and by time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address

from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    JobSettled,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    StakeDeposited,
)
from protocol.market.round_state import round_after, round_at
from protocol.market.types import JobId, JobState, Outcome
from tests.support.market.values import a_round

JOB = JobId(b"\1" * 32)
WORKER = to_checksum_address("0x" + "11" * 20)
ARMED = DrawArmed(JOB, 1, 12, 268, 0)
DRAWN = CommitteeDrawn(JOB, 1, 12, bytes(32), (7, 8), (WORKER, WORKER), 1_000)
SETTLED = JobSettled(JOB, JobState.ACCEPTED, 0, 0, 0, bytes(32))
ROUND = a_round(seat_ids=(7, 8))


def committed(place: int) -> ResultCommitted:
    return ResultCommitted(JOB, WORKER, 1, place, b"\3" * 32)


def test_round_after_the_events_of_a_round_stands_where_they_lead() -> None:
    opened = round_after(None, ARMED)
    assert opened is not None
    assert (opened.state, opened.seed_block) == (JobState.OPEN, 12)
    drawn = round_after(opened, DRAWN)
    assert drawn == ROUND
    first = round_after(drawn, committed(1))
    assert first == replace(ROUND, committed=0b10)
    revealing = round_after(first, RevealOpened(JOB, 1, 1_100))
    assert revealing is not None
    assert (revealing.state, revealing.deadline) == (JobState.REVEALING, 1_100)
    revealed = round_after(
        revealing, ResultRevealed(JOB, WORKER, 1, 1, Outcome.none(), bytes(32))
    )
    assert revealed == replace(revealing, revealed=0b10)
    assert round_after(revealed, SETTLED) is None


def test_round_after_an_event_of_an_unknown_round_is_unknown() -> None:
    assert round_after(None, committed(0)) is None


def test_round_after_an_event_that_moves_none_raises() -> None:
    with pytest.raises(TypeError, match="StakeDeposited moves no round"):
        round_after(ROUND, StakeDeposited(WORKER, 1))


@pytest.mark.parametrize(
    ("marks", "now", "state", "deadline"),
    [
        (0b01, 1_000, JobState.COMMITTING, 1_000),
        (0b01, 1_001, JobState.REVEALING, 1_060),
        (0b00, 1_001, JobState.COMMITTING, 1_000),
    ],
)
def test_round_at_a_time_reveals_once_the_window_of_commitments_is_over(
    marks: int, now: int, state: JobState, deadline: int
) -> None:
    current = round_at(replace(ROUND, committed=marks), now, reveal_window_seconds=60)

    assert (current.state, current.deadline) == (state, deadline)
