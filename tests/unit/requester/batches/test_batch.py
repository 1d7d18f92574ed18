from __future__ import annotations

import csv
import gc
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.documents.prompts import PromptsDocument
from protocol.documents.tokenizer import TokenCodec
from protocol.errors import (
    BatchError,
    ContentNotFound,
    RpcUnavailable,
    TransactionDropped,
)
from protocol.hexadecimal import to_hex
from protocol.market.types import JobState, OutcomeStatus
from requester.batches.batch import Batch
from requester.batches.records import BatchOptions, RowStatus
from requester.client import Client
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest
from tests.support.market.batch_world import GREEDY, BatchWorld

PROMPTS = ["one", "two", "three", "four", "five"]


@pytest.fixture
def here(tmp_path: Path) -> BatchWorld:
    return BatchWorld.build(tmp_path)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _texts(path: Path) -> list[str]:
    return [line.get("text", line["status"]) for line in _lines(path)]


# ---------------------------------------------------------------- the plain case


def test_run_prompts_become_jobs_and_results_in_order(here: BatchWorld) -> None:
    with here.create(PROMPTS) as batch:
        progress = batch.run()
    assert [here.prompts_of(params) for params in here.posted()] == [
        ["one", "two"],
        ["three", "four"],
        ["five"],
    ]
    assert progress.accepted == progress.total == 5
    assert _texts(here.out) == ["ONE", "TWO", "THREE", "FOUR", "FIVE"]
    first = _lines(here.out)[0]
    job_id = to_hex(next(iter(here.world.market.jobs)))
    assert first == {
        "line": 1,
        "status": "accepted",
        "prompt": "one",
        "text": "ONE",
        "finish": "stop",
        "promptTokens": 3,
        "newTokens": 3,
        "jobId": job_id,
    }


def test_run_prompt_given_as_ids_is_posted_as_those_ids(here: BatchWorld) -> None:
    with here.create([PromptRequest("cat", GREEDY, ids=(7, 8)), "dog"]) as batch:
        batch.run()
    (params,) = here.posted()
    dog = here.world.codec.encode("dog")
    data = here.world.store.files[params.prompts_digest]
    document = PromptsDocument.from_bytes(data)
    assert [prompt.ids for prompt in document.prompts] == [(7, 8), dog]
    assert [prompt.text for prompt in document.prompts] == ["cat", "dog"]


def test_run_tokenises_each_text_once(
    here: BatchWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, texts = TokenCodec.encode, list[str]()

    def noting(codec: TokenCodec, text: str) -> tuple[int, ...]:
        texts.append(text)
        return encode(codec, text)

    monkeypatch.setattr(TokenCodec, "encode", noting)
    with here.create(PROMPTS) as batch:
        batch.run()
    assert [text for text in texts if text in PROMPTS] == PROMPTS


def test_run_costs_what_the_market_took(here: BatchWorld) -> None:
    market = here.world.market
    before = market.tokens + market.credit
    with here.create(PROMPTS) as batch:
        assert batch.estimate.jobs == 3
        progress = batch.run()
    spent = before - market.tokens - market.credit
    assert progress.spent == spent
    assert progress.locked == progress.in_flight == 0
    assert batch.estimate.min_cost <= spent <= batch.estimate.max_cost


def test_batch_that_is_forgotten_can_be_opened_again(here: BatchWorld) -> None:
    batch = Batch.create(
        here.world.client, PROMPTS, out=here.out, options=BatchOptions(decoding=GREEDY)
    )
    batch_id = batch.batch_id
    with pytest.raises(BatchError, match="another process works on batch"):
        Batch.open(here.world.client, batch_id)
    del batch
    gc.collect()
    Batch.open(here.world.client, batch_id).close()


def test_run_csv_in_and_out_keeps_names_and_order(here: BatchWorld) -> None:
    source, out = here.folder / "in.csv", here.folder / "out.csv"
    source.write_text('id,prompt,maxNewTokens\na,"one, or\nmore",10\nb,=two,3\n')
    with here.create(source, out=out) as batch:
        batch.run()
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    shown = [(r["line"], r["id"], r["status"], r["text"], r["finish"]) for r in rows]
    assert shown == [
        ("2", "a", "accepted", "ONE, OR\nMO", "length"),
        ("4", "b", "accepted", "=TW", "length"),
    ]


def test_run_framed_task_shows_the_prompt_as_it_was_written(here: BatchWorld) -> None:
    from requester.prompts.tasks import Task

    with here.create(["Long text."], task=Task.SUMMARIZE) as batch:
        batch.run()
    assert _lines(here.out)[0]["prompt"] == "Long text."


def test_create_seeds_rise_through_all_jobs(here: BatchWorld) -> None:
    decoding = Decoding(max_new_tokens=10, temperature=1_000_000, seed=40)
    with here.create(PROMPTS, decoding=decoding) as batch:
        batch.run()
    digests = [params.prompts_digest for params in here.posted()]
    documents = [json.loads(here.world.store.files[digest]) for digest in digests]
    seeds = [prompt["seed"] for d in documents for prompt in d["prompts"]]
    assert seeds == [40, 41, 42, 43, 44]


def test_create_files_are_nobody_elses_business(here: BatchWorld) -> None:
    with here.create(PROMPTS) as batch:
        batch.run()
        journal = next((here.folder / "data" / "batches").glob("*.sqlite"))
    for path in (journal, here.out):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# ---------------------------------------------------------------- failures


def test_run_failed_jobs_are_reported_and_posted_again_on_demand(
    here: BatchWorld,
) -> None:
    here.lost = 1
    with here.create(PROMPTS, in_flight=1) as batch:
        progress = batch.run()
        assert (progress.accepted, progress.failed) == (3, 2)
        assert _texts(here.out) == ["failed", "failed", "THREE", "FOUR", "FIVE"]
        assert _lines(here.out)[1]["reason"] == "no quorum agreed on a result"
        assert batch.run().failed == 2
        assert len(here.posted()) == 3
    with here.open(batch) as again:
        assert again.retry_failed() == 1
        assert again.run().accepted == 5
        assert again.retry_failed() == 0
    first, *_, last = here.posted()
    assert here.prompts_of(first) == here.prompts_of(last) == ["one", "two"]
    assert _texts(here.out) == ["ONE", "TWO", "THREE", "FOUR", "FIVE"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (OutcomeStatus.INPUT_UNAVAILABLE, "the workers could not fetch the prompts"),
        (OutcomeStatus.INPUT_INVALID, "the workers agree that the prompts are invalid"),
    ],
)
def test_run_quorum_without_results_is_a_failure(
    here: BatchWorld, status: OutcomeStatus, reason: str
) -> None:
    here.statuses = [status]
    with here.create(PROMPTS, in_flight=1) as batch:
        assert batch.run().failed == 2
    assert {line.get("reason") for line in _lines(here.out)} == {reason, None}


def test_run_job_that_somebody_cancelled_is_said_to_be(here: BatchWorld) -> None:
    market = here.world.market
    here.world.clock.meanwhile = [
        lambda: market.cancel_job(here.posted()[0]),
    ]
    with here.create(["one"]) as batch:
        progress = batch.run()
    assert progress.prompts[RowStatus.CANCELLED] == progress.failed == 1
    assert progress.spent == 0


def test_run_results_that_nobody_serves_stop_no_other_job(here: BatchWorld) -> None:
    store = here.world.store
    real_get = store.get
    away = True

    def get(digest: Any, *, max_bytes: int) -> bytes:
        data = real_get(digest, max_bytes=max_bytes)
        if away and b'"outputs"' in data and b'"ONE"' in data:
            raise ContentNotFound("nobody serves it")
        return data

    store.get = get  # type: ignore[method-assign]
    with here.create(PROMPTS) as batch:
        progress = batch.run()
        assert (progress.accepted, progress.unfetched) == (3, 2)
        assert _texts(here.out)[:3] == ["unfetched", "unfetched", "THREE"]
        assert _lines(here.out)[0]["reason"] == "nobody serves it"
        away = False
        assert batch.run().accepted == 5
    assert "reason" not in _lines(here.out)[0]
    assert len(here.posted()) == 3


def test_run_node_that_fails_for_a_while_is_asked_again(here: BatchWorld) -> None:
    with here.create(PROMPTS) as batch:
        here.world.market.failures = [RpcUnavailable("gone") for _ in range(3)]
        assert batch.run().accepted == 5
    assert len(here.posted()) == 3


def test_run_node_that_stays_away_is_reported(here: BatchWorld) -> None:
    with here.create(PROMPTS) as batch:
        here.world.market.failures = [RpcUnavailable("gone") for _ in range(1_000)]
        with pytest.raises(RpcUnavailable, match="gone"):
            batch.run()
        here.world.market.failures = []
        assert batch.run().accepted == 5


def test_run_posting_that_was_mined_late_is_not_repeated(here: BatchWorld) -> None:
    market = here.world.market
    real_post = market.post_job
    dropped = 0

    def post_job(params: Any) -> Any:
        nonlocal dropped
        result = real_post(params)
        if dropped == 0:
            dropped += 1
            raise TransactionDropped("not mined in time")
        return result

    market.post_job = post_job  # type: ignore[method-assign]
    with here.create(PROMPTS) as batch:
        assert batch.run().accepted == 5
    assert dropped == 1
    assert len(here.posted()) == 3


def test_run_posting_undone_by_a_reorganisation_is_posted_again(
    here: BatchWorld,
) -> None:
    market = here.world.market
    undone: list[Any] = []

    def undo() -> None:
        if not undone:
            job_id, job = market.jobs.popitem()
            undone.append(job.params)
            market.logs = [
                log for log in market.logs if getattr(log.event, "job_id", 0) != job_id
            ]
        elif len(market.jobs) == 1:
            here.work()

    here.world.clock.meanwhile = [undo] * 40
    with here.create(["one"]) as batch:
        assert batch.run().accepted == 1
    assert here.posted() == undone


def test_run_end_is_believed_under_its_confirmations(here: BatchWorld) -> None:
    connections = replace(here.world.client.connections, confirmations=40)
    client = Client(connections)
    ended_at: list[int] = []
    with Batch.create(
        client, ["one"], out=here.out, options=BatchOptions(decoding=GREEDY)
    ) as batch:
        market = here.world.market

        def happen() -> None:
            here.work()
            states = [job.state for job in market.jobs.values()]
            if states[0].is_final:
                ended_at.append(market.block)
                market.mine(7)

        here.world.clock.meanwhile = [happen for _ in range(30)]
        assert batch.run().accepted == 1
    assert here.world.market.block - ended_at[0] >= 40


def test_run_nobody_else_moves_the_jobs_so_the_requester_does(
    here: BatchWorld,
) -> None:
    market = here.world.market
    here.world.clock.meanwhile = [
        *(lambda: market.mine(3) for _ in range(4)),
        *(lambda: market.mine(1, seconds=1_000) for _ in range(10)),
    ]
    with here.create(["one"]) as batch:
        assert batch.run().failed == 1
    states = {job.state for job in market.jobs.values()}
    assert states == {JobState.FAILED}
