"""Dishonest workers, each on a committee with honest ones: none of them gains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from protocol.market.events import SeatSlashed
from protocol.market.types import JobState, SlashReason
from requester.jobs.job import Job
from tests.adversarial.contest import Contest, contest
from tests.adversarial.scene import TERMS, WORKER, Program, Scene, WorkerProcess
from tests.adversarial.truth import is_truth

LIAR: Program = ("devnet.demo.liar",)
BOND = TERMS.seat_bond
NO_SHOW = BOND * TERMS.no_show_bps // 10_000


def villain(kind: str) -> Program:
    return ("tests.adversarial.villains", kind)


def expect_the_truth(scene: Scene, job: Job) -> None:
    """Whatever somebody tried, the requester has what it paid for."""
    assert job.state() is JobState.ACCEPTED
    assert is_truth(scene, job.results(), job.params)


def slashes(scene: Scene, job: Job) -> list[SlashReason]:
    logs = scene.keeper.events(job_id=job.job_id, kinds=(SeatSlashed,))
    return [log.event.reason for log in logs if isinstance(log.event, SeatSlashed)]


@contextmanager
def attack(
    scene: Scene, name: str, program: Program
) -> Iterator[tuple[Contest, Job, WorkerProcess]]:
    """A worker of that program, and a job for it; the truth must come out."""
    author = scene.new_account(BOND)
    with (
        contest(name, scene, authors=[author]) as now,
        scene.joined(program, author) as (attacker,),
    ):
        job = scene.post()
        scene.draw(job.params)
        yield now, job, attacker
        expect_the_truth(scene, job)


@pytest.mark.parametrize(
    ("name", "program"), [("liar", LIAR), ("lazy", villain("lazy"))]
)
def test_answer_of_a_wrong_result_loses_the_bond(
    scene: Scene, name: str, program: Program
) -> None:
    with attack(scene, name, program) as (now, job, _):
        scene.wait_for_state(job.job_id, JobState.ACCEPTED)
    assert now.profit == -BOND
    assert slashes(scene, job) == [SlashReason.WRONG_RESULT]


def test_copy_of_a_commitment_loses_the_bond_and_finds_no_bytes(scene: Scene) -> None:
    with attack(scene, "copycat", villain("copycat")) as (now, job, copycat):
        scene.wait_until(lambda: bool(copycat.told("refused")))
        scene.wait_for_reveals(job.job_id, 2)
        scene.let_window_pass(job.job_id)
        scene.end_round(job.params)
    (nothing,) = copycat.told("found nothing")
    assert nothing["looks"] > 0
    (found,) = copycat.told("found")
    assert found["when"] == "after"
    assert found["count"] == 1
    refusals = [fact["reason"] for fact in copycat.told("refused")]
    assert refusals == ["CommitmentMismatch"] * 2
    assert now.profit == -BOND
    assert slashes(scene, job) == [SlashReason.NOT_REVEALED]


def test_silence_of_a_drawn_worker_costs_a_no_show(scene: Scene) -> None:
    with attack(scene, "silent", villain("silent")) as (now, job, _):
        scene.wait_for_commits(job.job_id, scene.honest[:2])
        scene.let_window_pass(job.job_id)
        scene.wait_for_state(job.job_id, JobState.ACCEPTED)
    assert now.profit == -NO_SHOW
    assert slashes(scene, job) == [SlashReason.NO_SHOW]


def test_death_of_a_worker_on_arrival_costs_a_no_show(scene: Scene) -> None:
    author = scene.new_account(BOND)
    with (
        contest("dead on arrival", scene, authors=[author]) as now,
        scene.joined(WORKER, author) as (dead,),
    ):
        dead.end()
        job = scene.post()
        scene.draw(job.params)
        scene.wait_for_commits(job.job_id, scene.honest[:2])
        scene.let_window_pass(job.job_id)
        scene.wait_for_state(job.job_id, JobState.ACCEPTED)
        expect_the_truth(scene, job)
    assert now.profit == -NO_SHOW
    assert scene.keeper.account_of(dead.address).seats == 0


def test_commitment_that_is_never_opened_loses_the_bond(scene: Scene) -> None:
    with attack(scene, "commits, never reveals", villain("never-reveals")) as (
        now,
        job,
        _,
    ):
        scene.wait_for_reveals(job.job_id, 2)
        assert scene.keeper.state_of(job.job_id) is JobState.REVEALING
        scene.let_window_pass(job.job_id)
        scene.end_round(job.params)
    assert now.profit == -BOND
    assert slashes(scene, job) == [SlashReason.NOT_REVEALED]


def test_commitment_after_the_window_is_refused_as_a_no_show(scene: Scene) -> None:
    with attack(scene, "late to commit", villain("late-commit")) as (now, job, late):
        scene.wait_for_commits(job.job_id, scene.honest[:2])
        scene.wait_until(lambda: bool(late.told("waits")))
        scene.let_window_pass(job.job_id)
        scene.wait_until(lambda: bool(late.told("refused")))
        scene.wait_for_state(job.job_id, JobState.ACCEPTED)
    assert late.told("went through") == []
    assert now.profit == -NO_SHOW
    assert slashes(scene, job) == [SlashReason.NO_SHOW]


def test_reveal_after_the_window_is_refused_and_loses_the_bond(scene: Scene) -> None:
    with attack(scene, "late to reveal", villain("late-reveal")) as (now, job, late):
        scene.wait_for_reveals(job.job_id, 2)
        scene.let_window_pass(job.job_id)
        scene.wait_until(lambda: bool(late.told("refused")))
        scene.end_round(job.params)
    assert [fact["reason"] for fact in late.told("refused")] == ["DeadlinePassed"]
    assert now.profit == -BOND


def test_equivocation_of_a_worker_loses_the_bond(scene: Scene) -> None:
    with attack(scene, "equivocator", villain("equivocator")) as (
        now,
        job,
        equivocator,
    ):
        scene.wait_for_state(job.job_id, JobState.ACCEPTED)
    refusals = [fact["reason"] for fact in equivocator.told("refused")]
    # Its own commitment may have been the last one, which opens the reveals.
    assert refusals[0] in ("AlreadyCommitted", "UnexpectedJobState")
    assert refusals[1:] == ["CommitmentMismatch"]
    done = [fact["what"] for fact in equivocator.told("went through")]
    assert done == ["commit", "reveal"]
    assert now.profit == -BOND
    assert slashes(scene, job) == [SlashReason.WRONG_RESULT]


def test_cartel_below_a_quorum_loses_all_its_bonds(scene: Scene) -> None:
    authors = [scene.new_account(BOND), scene.new_account(BOND)]
    with (
        contest("cartel below a quorum", scene, authors=authors) as now,
        scene.joined(LIAR, *authors),
    ):
        job = scene.post(redundancy=5, tick=1)
        scene.draw(job.params)
        scene.wait_for_state(job.job_id, JobState.ACCEPTED)
        expect_the_truth(scene, job)
    assert now.profit == -2 * BOND
    assert slashes(scene, job) == [SlashReason.WRONG_RESULT] * 2
