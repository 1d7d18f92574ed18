from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.market.types import JobId, JobState, Outcome, OutcomeStatus, Round
from worker.duty import Duty, JobStage, Step, next_step, stage_of

DEADLINE = 1_000
PLACE = 1
OUTCOME = Outcome.error(OutcomeStatus.INPUT_INVALID)
DUTY = Duty(
    job_id=JobId(bytes(32)),
    round_number=1,
    place=PLACE,
    seat_id=7,
    drawn_at=900,
    commit_deadline=DEADLINE,
)
ROUND = Round(
    state=JobState.COMMITTING,
    number=1,
    seed_block=0,
    expiry_block=0,
    deadline=DEADLINE,
    seat_ids=(3, 7, 9),
    committed=0,
    revealed=0,
    record=bytes(32),
    is_delivered=False,
)
MINE = 1 << PLACE
OTHERS = 0b101


def test_next_step_without_outcome_computes() -> None:
    assert next_step(DUTY, ROUND, DEADLINE) is Step.COMPUTE


def test_next_step_with_outcome_commits_until_the_last_second() -> None:
    duty = replace(DUTY, outcome=OUTCOME)
    assert next_step(duty, ROUND, DEADLINE) is Step.COMMIT
    assert next_step(duty, ROUND, DEADLINE + 1) is Step.WAIT


def test_next_step_after_own_commit_waits_for_others() -> None:
    duty = replace(DUTY, outcome=OUTCOME)
    assert next_step(duty, replace(ROUND, committed=MINE), 950) is Step.WAIT
    assert next_step(duty, replace(ROUND, committed=OTHERS), 950) is Step.COMMIT


def test_next_step_while_committing_never_publishes() -> None:
    duty = replace(DUTY, outcome=OUTCOME, results=b"{}")
    for committed in range(8):
        step = next_step(duty, replace(ROUND, committed=committed), 950)
        assert step in (Step.COMMIT, Step.WAIT)


def test_next_step_revealing_publishes_before_it_reveals() -> None:
    revealing = replace(ROUND, state=JobState.REVEALING, committed=MINE)
    duty = replace(DUTY, outcome=OUTCOME, results=b"{}")
    assert next_step(duty, revealing, 950) is Step.PUBLISH
    duty = replace(duty, is_published=True)
    assert next_step(duty, revealing, 950) is Step.REVEAL


def test_next_step_revealing_error_outcome_has_nothing_to_publish() -> None:
    revealing = replace(ROUND, state=JobState.REVEALING, committed=MINE)
    assert next_step(replace(DUTY, outcome=OUTCOME), revealing, 950) is Step.REVEAL


def test_next_step_revealing_with_lost_journal_computes_again() -> None:
    revealing = replace(ROUND, state=JobState.REVEALING, committed=MINE)
    assert next_step(DUTY, revealing, 950) is Step.COMPUTE


@pytest.mark.parametrize("revealed", [MINE, MINE | OTHERS])
def test_next_step_after_own_reveal_waits(revealed: int) -> None:
    revealing = replace(
        ROUND, state=JobState.REVEALING, committed=0b111, revealed=revealed
    )
    assert next_step(replace(DUTY, outcome=OUTCOME), revealing, 950) is Step.WAIT


def test_next_step_missed_commit_waits_for_the_end() -> None:
    revealing = replace(ROUND, state=JobState.REVEALING, committed=OTHERS)
    assert next_step(replace(DUTY, outcome=OUTCOME), revealing, 950) is Step.WAIT


@pytest.mark.parametrize(
    "state", [JobState.ACCEPTED, JobState.FAILED, JobState.CANCELLED]
)
def test_next_step_final_state_finishes(state: JobState) -> None:
    assert next_step(DUTY, replace(ROUND, state=state), 950) is Step.FINISH


def test_next_step_other_round_finishes() -> None:
    assert next_step(DUTY, replace(ROUND, number=2), 950) is Step.FINISH


@given(
    state=st.sampled_from(JobState),
    committed=st.integers(0, 511),
    revealed=st.integers(0, 511),
    now=st.integers(0, 2 * DEADLINE),
    has_outcome=st.booleans(),
    is_published=st.booleans(),
)
def test_next_step_any_facts_never_risks_the_bond(
    state: JobState,
    committed: int,
    revealed: int,
    now: int,
    has_outcome: bool,
    is_published: bool,
) -> None:
    current = replace(ROUND, state=state, committed=committed, revealed=revealed)
    outcome = OUTCOME if has_outcome else None
    results = b"{}" if has_outcome else None
    duty = replace(DUTY, outcome=outcome, results=results, is_published=is_published)
    step = next_step(duty, current, now)
    if step is Step.COMMIT:
        assert state is JobState.COMMITTING and has_outcome
        assert not committed & MINE and now <= DEADLINE
    if step in (Step.PUBLISH, Step.REVEAL):
        assert state is JobState.REVEALING and has_outcome
        assert committed & MINE and not revealed & MINE and now <= DEADLINE
    if step is Step.REVEAL:
        assert is_published


COMPUTED = replace(DUTY, outcome=OUTCOME)
OTHERS_COMMITTED = replace(ROUND, committed=OTHERS)
REVEALING = replace(ROUND, state=JobState.REVEALING, committed=MINE | OTHERS)


@pytest.mark.parametrize(
    ("duty", "current", "now", "stage"),
    [
        (DUTY, OTHERS_COMMITTED, DEADLINE, JobStage.COMPUTING),
        (COMPUTED, OTHERS_COMMITTED, DEADLINE, JobStage.COMMITTING),
        (COMPUTED, OTHERS_COMMITTED, DEADLINE + 1, JobStage.MISSED),
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
