"""The Batch API with the official client: a file of calls becomes few jobs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai.types import Batch

from gateway.jobs.tables import CallState
from tests.integration.gateway.test_concurrency import states
from tests.support.machines.processes import eventually
from tests.support.network.gateway import GatewayMarket, GatewayProcess

MODEL = "austen"
URL: Final = "/v1/completions"
ENDED = ("completed", "failed", "cancelled", "expired")


def a_line(custom_id: str, url: str = URL, **body: Any) -> dict[str, Any]:
    call = {"model": MODEL, "prompt": "Anne", "max_tokens": 3, "seed": 1, **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": call}


def upload(client: openai.OpenAI, *lines: dict[str, Any] | str) -> str:
    text = "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines)
    file = ("calls.jsonl", io.BytesIO(text.encode()))
    return client.files.create(file=file, purpose="batch").id


def run(client: openai.OpenAI, file_id: str) -> Batch:
    batch = client.batches.create(
        input_file_id=file_id,
        endpoint=URL,
        completion_window="24h",
        metadata={"purpose": "test"},
    )
    assert eventually(lambda: client.batches.retrieve(batch.id).status in ENDED, 120)
    return client.batches.retrieve(batch.id)


def read_lines(client: openai.OpenAI, file_id: str | None) -> dict[str, Any]:
    assert file_id is not None
    text = client.files.content(file_id).text
    lines = [json.loads(line) for line in text.splitlines()]
    return {line["custom_id"]: line["response"] for line in lines}


def test_batch_of_calls_shares_a_job_and_answers_each(gateway: GatewayProcess) -> None:
    key_id, key = gateway.key(budget=10**9)
    client = gateway.client(key)
    names = [f"call-{number}" for number in range(30)]
    lines = [a_line(n, prompt=f"Chapter {n}: Anne", echo=True) for n in names]
    batch = run(client, upload(client, *lines))
    assert batch.status == "completed"
    assert batch.metadata == {"purpose": "test"}
    assert batch.request_counts is not None
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (30, 30, 0)
    assert batch.error_file_id is None
    answers = read_lines(client, batch.output_file_id)
    assert list(answers) == names
    for name, answer in answers.items():
        assert answer["status_code"] == 200
        assert answer["body"]["choices"][0]["text"].startswith(f"Chapter {name}: Anne")
    jobs = {answer["body"]["assay"]["job_id"] for answer in answers.values()}
    assert len(jobs) == 1
    settled = {CallState.SETTLED}
    assert eventually(lambda: set(states(gateway, key_id)) == settled, 60)
    balance = gateway.balance(key_id)
    assert balance.spent > 0
    assert balance.reserved == 0


def test_batch_with_wrong_calls_answers_the_others(gateway: GatewayProcess) -> None:
    client = gateway.client()
    lines = [
        a_line("good"),
        a_line("hot", temperature=9),
        a_line("stream", stream=True),
        a_line("model", model="none"),
        a_line("long", max_tokens=600),
    ]
    batch = run(client, upload(client, *lines))
    assert batch.status == "completed"
    assert list(read_lines(client, batch.output_file_id)) == ["good"]
    errors = read_lines(client, batch.error_file_id)
    assert {name: error["status_code"] for name, error in errors.items()} == {
        "hot": 400,
        "stream": 400,
        "model": 404,
        "long": 400,
    }
    assert errors["hot"]["body"]["error"]["param"] == "temperature"


def test_batch_beyond_the_budget_fails_its_calls(gateway: GatewayProcess) -> None:
    key_id, key = gateway.key(budget=100)
    client = gateway.client(key)
    batch = run(client, upload(client, a_line("one"), a_line("two")))
    assert batch.output_file_id is None
    errors = read_lines(client, batch.error_file_id)
    assert {error["status_code"] for error in errors.values()} == {402}
    assert gateway.balance(key_id).spent == 0


@pytest.mark.parametrize(
    ("lines", "code", "number"),
    [
        (["{"], "invalid_line", 1),
        ([a_line("a"), {**a_line("b"), "method": "GET"}], "invalid_line", 2),
        ([a_line("a"), a_line("a")], "duplicate_custom_id", 2),
        ([a_line("a", "/v1/chat/completions")], "mismatched_url", 1),
        (["", "  "], "empty_file", None),
    ],
)
def test_batch_of_a_wrong_file_fails_as_a_whole(
    gateway: GatewayProcess, lines: list[Any], code: str, number: int | None
) -> None:
    client = gateway.client()
    batch = run(client, upload(client, *lines))
    assert batch.status == "failed"
    assert batch.errors is not None and batch.errors.data is not None
    (fault,) = batch.errors.data
    assert (fault.code, fault.line) == (code, number)
    assert batch.output_file_id is None


def test_batch_of_an_unknown_file_or_window_is_refused(gateway: GatewayProcess) -> None:
    client = gateway.client()
    with pytest.raises(openai.NotFoundError):
        run(client, "file-none")
    file_id = upload(client, a_line("a"))
    for wrong in ({"completion_window": "1h"}, {"endpoint": "/v1/embeddings"}):
        given: dict[str, Any] = {
            "input_file_id": file_id,
            "endpoint": URL,
            "completion_window": "24h",
        }
        with pytest.raises(openai.BadRequestError):
            client.batches.create(**{**given, **wrong})


def test_file_of_another_key_is_invisible(gateway: GatewayProcess) -> None:
    owner, stranger = gateway.client(), gateway.client()
    file_id = upload(owner, a_line("secret"))
    assert [file.id for file in owner.files.list().data] == [file_id]
    assert stranger.files.list().data == []
    for look in (
        lambda: stranger.files.retrieve(file_id),
        lambda: stranger.files.content(file_id),
        lambda: stranger.files.delete(file_id),
        lambda: run(stranger, file_id),
    ):
        with pytest.raises(openai.NotFoundError):
            look()
    batch = run(owner, file_id)
    with pytest.raises(openai.NotFoundError):
        stranger.batches.retrieve(batch.id)
    assert [one.id for one in owner.batches.list().data] == [batch.id]
    assert stranger.batches.list().data == []
    assert owner.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError):
        owner.files.retrieve(file_id)


def test_file_list_goes_on_where_a_page_ends(gateway: GatewayProcess) -> None:
    client = gateway.client()
    wanted = {upload(client, a_line(f"{n}")) for n in range(5)}
    # The client follows `has_more` by itself.
    found = [file.id for file in client.files.list(limit=2)]
    assert len(found) == 5
    assert set(found) == wanted
    rising = [file.id for file in client.files.list(limit=3, order="asc")]
    assert rising == found[::-1]


def test_upload_of_another_purpose_or_too_many_bytes_is_refused(
    gateway: GatewayProcess,
) -> None:
    client = gateway.client()
    with pytest.raises(openai.BadRequestError, match="purpose must be"):
        client.files.create(file=("a", b"x"), purpose="fine-tune")
    with pytest.raises(openai.APIStatusError) as caught:
        client.files.create(file=("a", b"x" * (17 << 20)), purpose="batch")
    assert caught.value.status_code == 413


@pytest.fixture
def slow(market: GatewayMarket, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway whose calls wait for long before they become a job."""
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with market.gateway(url, batch_window_ms=60_000) as running:
        yield running


def test_batch_cancelled_in_time_costs_nothing(slow: GatewayProcess) -> None:
    key_id, key = slow.key(budget=10**9)
    client = slow.client(key)
    file_id = upload(client, a_line("a"), a_line("b"))
    batch = client.batches.create(
        input_file_id=file_id, endpoint=URL, completion_window="24h"
    )
    reserved = [CallState.RESERVED] * 2
    assert eventually(lambda: states(slow, key_id) == reserved, 60)
    with pytest.raises(openai.BadRequestError, match="still reads"):
        client.files.delete(file_id)
    client.batches.cancel(batch.id)
    ended = eventually(lambda: client.batches.retrieve(batch.id).status in ENDED, 60)
    assert ended
    cancelled = client.batches.retrieve(batch.id)
    assert cancelled.status == "cancelled"
    assert list(read_lines(client, cancelled.error_file_id)) == ["a", "b"]
    balance = slow.balance(key_id)
    assert (balance.spent, balance.reserved) == (0, 0)
    with pytest.raises(openai.BadRequestError, match="has not ended"):
        client.batches.cancel(batch.id)


def test_batch_survives_the_kill_of_its_gateway(
    market: GatewayMarket, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with market.gateway(url).start(crash_at="gateway.drafted") as gateway:
        key_id, key = gateway.key(budget=10**9)
        client = gateway.client(key)
        batch = client.batches.create(
            input_file_id=upload(client, a_line("a"), a_line("b")),
            endpoint=URL,
            completion_window="24h",
        )
        gateway.wait_until_dead()
        gateway.start()
        client = gateway.client(key)
        ended = lambda: client.batches.retrieve(batch.id).status in ENDED  # noqa: E731
        assert eventually(ended, 120)
        done = client.batches.retrieve(batch.id)
        assert done.status == "completed"
        assert list(read_lines(client, done.output_file_id)) == ["a", "b"]
        settled = {CallState.SETTLED}
        assert eventually(lambda: set(states(gateway, key_id)) == settled, 60)
        assert gateway.balance(key_id).reserved == 0
