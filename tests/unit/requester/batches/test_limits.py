"""What bounds a batch, who may run it, and what is refused before anything is paid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import (
    BatchError,
    BudgetReached,
    ConfigError,
    NotEnoughFunds,
    RequestError,
    WaitTimedOut,
)
from requester.batches.batch import Batch, estimate_batch, saved_batches
from requester.batches.records import BatchOptions
from requester.jobs.drafts import Terms
from tests.support.market.batch_world import GREEDY, BatchWorld
from tests.support.market.values import a_config, an_address
from tests.support.market.world import World

PROMPTS = ["one", "two", "three", "four", "five"]


@pytest.fixture
def here(tmp_path: Path) -> BatchWorld:
    return BatchWorld.build(tmp_path)


def _texts(path: Path) -> list[str]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line.get("text", line["status"]) for line in lines]


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(("in_flight", "expected"), [(1, 1), (3, 3), (None, 2)])
def test_run_keeps_no_more_jobs_in_flight_than_allowed(
    here: BatchWorld, in_flight: int | None, expected: int
) -> None:
    with here.create([f"prompt {i}" for i in range(12)], in_flight=in_flight) as batch:
        progress = batch.run()
    assert here.max_in_flight == expected
    assert progress.accepted == 12


def test_plan_no_job_pays_a_seat_more_than_its_bond(tmp_path: Path) -> None:
    # A token costs 2 units: 20 of them are all that the bond covers.
    config = a_config(seat_bond=20_040)
    here = BatchWorld.build(tmp_path, config=config)
    with here.create(["123456789"] * 5, job_size=100) as batch:
        assert batch.estimate.jobs == 5
        batch.run()
    assert [params.prompt_count for params in here.posted()] == [1] * 5
    with pytest.raises(RequestError, match="line 2: .* a job may have 20: shorten"):
        here.create(["short", "12345678901"], out=here.folder / "b.jsonl")


def test_plan_chosen_job_tokens_split_earlier(here: BatchWorld) -> None:
    terms = Terms(max_job_tokens=28)
    with here.create(PROMPTS, terms=terms, job_size=9) as batch:
        batch.run()
    assert [params.prompt_count for params in here.posted()] == [2, 1, 2]


def test_run_budget_stops_before_the_job_that_breaks_it(here: BatchWorld) -> None:
    price = estimate_batch(
        here.world.client, PROMPTS, BatchOptions(job_size=2)
    ).max_cost
    with here.create(PROMPTS, in_flight=1) as batch:
        chosen = batch.estimate.largest_escrow
        batch.change(budget=chosen)
        with pytest.raises(BudgetReached, match=r"without a result: 3; .*--budget"):
            batch.run()
        assert batch.progress.spent <= chosen
        assert len(here.posted()) == 1
        assert _texts(here.out) == ["ONE", "TWO", "waiting", "waiting", "waiting"]
        batch.change(budget=price)
        assert batch.run().accepted == 5


def test_run_budget_waits_for_refunds_of_jobs_in_flight(here: BatchWorld) -> None:
    with here.create(PROMPTS, in_flight=3) as batch:
        batch.change(budget=batch.estimate.max_cost - 1)
        assert batch.run().accepted == 5
    assert here.max_in_flight == 2


def test_run_too_few_seats_waits_until_they_open(here: BatchWorld) -> None:
    notes: list[str] = []
    with here.create(PROMPTS) as batch:
        here.world.market.seats = 2

        def watch(progress: Any) -> None:
            notes.append(progress.note)
            if len(notes) == 3:
                here.world.market.seats = 7

        assert batch.run(on_progress=watch).accepted == 5
    assert notes[0] == "waiting for seats: 2 of 3 are open"
    assert notes[-1] == ""


def test_run_money_of_refunds_pays_later_jobs(tmp_path: Path) -> None:
    here = BatchWorld.build(tmp_path)
    options = BatchOptions(job_size=2, decoding=GREEDY)
    estimate = estimate_batch(here.world.client, PROMPTS, options)
    here.world.market.tokens = estimate.max_cost - 1
    notes: set[str] = set()
    with here.create(PROMPTS, in_flight=3) as batch:
        progress = batch.run(on_progress=lambda seen: notes.add(seen.note))
    assert progress.accepted == 5
    assert "waiting for refunds: the account cannot pay the next job" in notes


def test_run_no_money_at_all_names_what_is_missing(tmp_path: Path) -> None:
    here = BatchWorld.build(tmp_path, tokens=7)
    with here.create(PROMPTS) as batch:
        with pytest.raises(NotEnoughFunds, match="has 7 in tokens"):
            batch.run()
        assert here.posted() == []
        here.world.market.tokens = 10**9
        assert batch.run().accepted == 5
    assert len(here.posted()) == 3


def test_run_timeout_says_how_to_go_on(here: BatchWorld) -> None:
    here.world.clock.meanwhile = []
    with here.create(PROMPTS) as batch:
        words = f"go on with `assay job resume {batch.batch_id}`"
        with pytest.raises(WaitTimedOut, match=words):
            batch.run(timeout_seconds=3)
    assert _texts(here.out) == ["running"] * 4 + ["waiting"]


# ---------------------------------------------------------------- who may, and what


def test_open_unknown_batch_says_where_it_looked(here: BatchWorld) -> None:
    for batch_id in ("12ab34cd", "../out", ""):
        with pytest.raises(BatchError, match="assay job batches"):
            Batch.open(here.world.client, batch_id)


def test_open_batch_that_runs_elsewhere_is_refused(here: BatchWorld) -> None:
    batch = here.create(PROMPTS)
    with pytest.raises(BatchError, match="another process works on batch"):
        here.open(batch)
    batch.close()
    here.open(batch).close()


def test_open_batch_of_another_account_is_refused(
    here: BatchWorld, tmp_path: Path
) -> None:
    with here.create(PROMPTS) as batch:
        pass
    other = World.build(tmp_path, account=an_address("another"))
    with pytest.raises(BatchError, match="belongs to requester"):
        Batch.open(other.client, batch.batch_id)


def test_create_without_an_account_asks_for_a_key(tmp_path: Path) -> None:
    here = BatchWorld.build(tmp_path, account=None)
    with pytest.raises(ConfigError, match="give --key-file"):
        here.create(PROMPTS)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("out.txt", r"end its name with \.jsonl or \.csv"),
        ("nowhere/out.jsonl", "whose folder is missing"),
        ("there.csv", "is there already and is not replaced"),
    ],
)
def test_create_results_that_cannot_be_written_stop_before_paying(
    here: BatchWorld, name: str, reason: str
) -> None:
    (here.folder / "there.csv").write_text("mine")
    with pytest.raises(RequestError, match=reason):
        here.create(PROMPTS, out=here.folder / name)
    assert list(saved_batches(here.folder / "data")) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"job_size": 0}, "job_size is 0; give 1 to 10000"),
        ({"in_flight": 0}, "in_flight is 0; give 1 to 1000"),
        ({"terms": Terms(max_cost=5)}, "give the batch a budget instead"),
        ({"terms": Terms(redundancy=2)}, "redundancy is 2, an even number"),
        ({"terms": Terms(max_job_tokens=0)}, "max_job_tokens is 0; give 1 or more"),
    ],
)
def test_create_bad_option_is_named_and_leaves_nothing(
    here: BatchWorld, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RequestError, match=reason):
        here.create(PROMPTS, **changes)
    assert list((here.folder / "data").glob("batches/*.sqlite*")) == []


def test_create_no_prompts_at_all_is_refused(here: BatchWorld) -> None:
    with pytest.raises(RequestError, match="there are no prompts"):
        here.create([])


def test_discard_batch_before_it_ran_leaves_no_file(here: BatchWorld) -> None:
    batch = here.create(PROMPTS)
    batch.discard()
    assert list((here.folder / "data" / "batches").iterdir()) == []


def test_discard_batch_with_posted_jobs_is_refused(here: BatchWorld) -> None:
    with here.create(PROMPTS) as batch:
        batch.run()
        with pytest.raises(BatchError, match="has posted jobs and is kept"):
            batch.discard()


def test_saved_batches_are_listed_while_one_runs(here: BatchWorld) -> None:
    with here.create(PROMPTS) as batch:
        batch.run()
        ((batch_id, progress, out),) = saved_batches(here.folder / "data")
    assert (batch_id, progress.accepted, out) == (batch.batch_id, 5, here.out)


def test_run_disk_full_keeps_the_results_for_later(
    here: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with here.create(PROMPTS) as batch:
        with monkeypatch.context() as patch:
            patch.setattr("requester.batches.output.os.fsync", full)
            with pytest.raises(RequestError, match="No space left.*resume the batch"):
                batch.run()
        assert not here.out.exists()
        assert batch.run().accepted == 5
    assert _texts(here.out)[0] == "ONE"
