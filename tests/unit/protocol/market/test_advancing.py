from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.market.advancing import Due, due
from protocol.market.types import JobState
from tests.support.market.values import a_round

DEADLINE = 1_000
ROUND = a_round(deadline=DEADLINE)
OPEN = replace(ROUND, state=JobState.OPEN, seed_block=11, expiry_block=20, deadline=0)


@pytest.mark.parametrize(
    ("block", "task"),
    [
        (10, Due.BLOCK),
        (11, Due.DRAW),
        (19, Due.DRAW),
        (20, Due.EXPIRE),
    ],
)
def test_due_open_job_follows_blocks(block: int, task: Due) -> None:
    assert due(OPEN, block, now=5) is task


@pytest.mark.parametrize("state", [JobState.COMMITTING, JobState.REVEALING])
def test_due_drawn_job_follows_the_clock(state: JobState) -> None:
    drawn = replace(ROUND, state=state)
    assert due(drawn, 99, now=DEADLINE) is Due.NOTHING
    assert due(drawn, 99, now=DEADLINE + 1) is Due.SETTLE


@pytest.mark.parametrize("task", Due)
def test_is_call_tells_what_advance_would_do(task: Due) -> None:
    assert task.is_call == (task in (Due.DRAW, Due.SETTLE, Due.EXPIRE))


def test_due_final_job_needs_nothing() -> None:
    accepted = replace(ROUND, state=JobState.ACCEPTED)
    assert due(accepted, 99, now=10 * DEADLINE) is Due.NOTHING
