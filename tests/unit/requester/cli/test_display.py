from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from protocol.amounts import Amounts
from protocol.market.types import Outcome, OutcomeStatus
from requester.cli.display import estimate_lines, progress, timeline_lines
from requester.jobs.drafts import Terms
from requester.jobs.job import Job
from requester.jobs.views import timeline_view
from requester.prompts.decoding import Decoding
from tests.support.market.world import World

DOLLARS = Amounts(decimals=6, symbol="ATD")
DECODING = Decoding(max_new_tokens=10, temperature=0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.build(tmp_path)


def _settled(world: World) -> Job:
    job = world.client.submit("a", decoding=DECODING)
    right = world.outcome(job.params, world.answers(job.params, ("b",)))
    wrong = world.outcome(job.params, world.answers(job.params, ("c",)))
    world.answer(job.job_id, right, wrong, right)
    return job


def _drawn_on(console: Console, job: Job) -> str:
    with progress(console, DOLLARS) as follow:
        follow(job.timeline())
        follow(job.timeline())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_estimate_lines_tell_escrow_range_and_every_prompt(world: World) -> None:
    costs = world.client.estimate(["abc", "de"], decoding=DECODING)
    lines = "\n".join(estimate_lines(costs, DOLLARS))
    assert "2 prompts, 5 tokens, up to 20 new ones" in lines
    assert f"locks   {DOLLARS.text(costs.escrow)}" in lines
    assert f"{DOLLARS.text(costs.min_cost)} to {DOLLARS.text(costs.escrow)}" in lines
    assert "prompt 2: 2 tokens + 10 new, 0.000008 ATD to 0.000072 ATD" in lines


def test_estimate_lines_tell_what_a_budget_lowered(world: World) -> None:
    terms = Terms(max_job_tokens=11)
    costs = world.client.estimate(["abc", "de"], decoding=DECODING, terms=terms)
    lines = "\n".join(estimate_lines(costs, DOLLARS))
    assert "lowers the new tokens of 2 of 2 prompts" in lines
    assert "3 tokens + 3 new (asked 10)" in lines


def test_estimate_lines_of_many_prompts_stay_short(world: World) -> None:
    lines = estimate_lines(world.client.estimate(["a"] * 50), DOLLARS)
    assert len(lines) < 20
    assert lines[-1].strip() == "… and 40 more"


def test_timeline_lines_tell_the_slash_and_its_reason(world: World) -> None:
    told = "\n".join(timeline_lines(_settled(world).timeline(), DOLLARS))
    assert "slashed 50 ATD: wrong result" in told
    assert "settled as Accepted" in told


def test_timeline_lines_name_an_error_outcome(world: World) -> None:
    job = world.client.submit("a", decoding=DECODING)
    outcome = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)
    world.answer(job.job_id, outcome, outcome, outcome)
    told = "\n".join(timeline_lines(job.timeline(), DOLLARS))
    assert "revealed: input unavailable" in told


def test_progress_elsewhere_than_on_a_terminal_is_a_line_an_event(
    world: World,
) -> None:
    job = _settled(world)
    shown = _drawn_on(Console(file=io.StringIO(), width=40), job).splitlines()
    expected = timeline_lines(job.timeline(), DOLLARS)[2:]
    assert shown == expected


def test_progress_on_a_terminal_shows_states_and_committee(world: World) -> None:
    job = _settled(world)
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    picture = _drawn_on(console, job)
    for words in ("Open", "Revealing", "Accepted", "slashed 50 ATD", "paid 0.0200"):
        assert words in picture


def test_progress_on_a_terminal_before_the_draw_has_no_committee(
    world: World,
) -> None:
    job = world.client.submit("a", decoding=DECODING)
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    picture = _drawn_on(console, job)
    assert "draw armed" in picture
    assert "worker" not in picture


def test_timeline_view_of_a_cancelled_job_has_its_refund(world: World) -> None:
    job = world.client.submit("a", decoding=DECODING)
    world.market.mine(300)
    view = timeline_view(job.cancel())
    assert (view["state"], view["refunded"]) == ("Cancelled", job.escrowed)
    assert view["paid"] is None
