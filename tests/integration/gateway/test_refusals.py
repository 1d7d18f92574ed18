"""What the official client is told when a call is wrong or nothing can be done."""

from __future__ import annotations

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.accounts.keys import revoke_key, set_budget
from tests.support.faults.switch import Switch
from tests.support.machines.postgres import PostgresServer
from tests.support.machines.processes import eventually
from tests.support.network.gateway import GatewayMarket, GatewayProcess

MODEL = "austen"
PROMPT = "Elizabeth walked"


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> openai.OpenAI:
    return gateway.client()


def post(gateway: GatewayProcess, path: str, body: bytes, **headers: str) -> Any:
    """A call as no client would make it: status, body, headers."""
    _, key = gateway.key()
    given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(
        gateway.url + path, data=body, headers={**given, **headers}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"presence_penalty": 0.5}, "presence_penalty", "unsupported_parameter"),
        ({"frequency_penalty": -1}, "frequency_penalty", "unsupported_parameter"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "unsupported_parameter"),
        ({"best_of": 3}, "best_of", "unsupported_parameter"),
        ({"suffix": "end"}, "suffix", "unsupported_parameter"),
        ({"extra_body": {"min_p": 0.1}}, "min_p", "unsupported_parameter"),
        ({"extra_body": {"assay": {"tip": 1}}}, "assay.tip", "unsupported_parameter"),
        ({"echo": True, "logprobs": 1}, "logprobs", "unsupported_parameter"),
        ({"temperature": 2.5}, "temperature", "invalid_value"),
        ({"temperature": -0.1}, "temperature", "invalid_value"),
        ({"top_p": 0}, "top_p", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 1.5}, "n", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": "8"}, "max_tokens", "invalid_value"),
        ({"logprobs": 21}, "logprobs", "invalid_value"),
        ({"seed": 1 << 64}, "seed", "invalid_value"),
        ({"stop": [""]}, "stop", "invalid_value"),
        ({"stop": ["a"] * 5}, "stop", "invalid_value"),
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": []}, "prompt", "invalid_value"),
        ({"prompt": [1, "x"]}, "prompt", "invalid_value"),
        ({"prompt": "word " * 600}, "prompt", "context_length_exceeded"),
        ({"max_tokens": 512}, "prompt", "context_length_exceeded"),
        ({"n": 100, "prompt": ["a", "b"]}, "n", "invalid_value"),
        ({"extra_body": {"assay": {"redundancy": 1}}}, "assay.redundancy", None),
        ({"extra_body": {"assay": {"redundancy": 4}}}, "prompt", "invalid_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ],
)
def test_completion_with_a_wrong_parameter_is_refused_by_name(
    client: openai.OpenAI, given: dict[str, Any], param: str, code: str | None
) -> None:
    call = {"model": MODEL, "prompt": PROMPT, **given}
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**call)
    assert caught.value.param == param
    assert code is None or caught.value.code == code
    assert caught.value.type == "invalid_request_error"


def test_completion_with_neutral_parameters_is_taken(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=MODEL,
        prompt=PROMPT,
        max_tokens=1,
        presence_penalty=0,
        frequency_penalty=0,
        logit_bias={},
        best_of=1,
        user="somebody",
    )
    assert answer.choices[0].finish_reason == "length"


def test_chat_without_a_template_says_what_to_do(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no chat template") as caught:
        client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hello"}]
        )
    assert caught.value.param == "model"


def test_chat_with_tools_is_refused_by_name(client: openai.OpenAI) -> None:
    tool = {"type": "function", "function": {"name": "look"}}
    with pytest.raises(openai.BadRequestError, match="'tools' is not supported"):
        client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hello"}],
            tools=[tool],  # type: ignore[list-item]
        )


def test_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    for name in ("gpt-9", "0x" + "ab" * 32, "../keys"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.completions.create(model=name, prompt=PROMPT)
        assert caught.value.code == "model_not_found"


def test_unknown_path_and_method_are_told_in_the_envelope(
    gateway: GatewayProcess,
) -> None:
    status, body, _ = post(gateway, "/v1/nothing", b"{}")
    assert (status, body["error"]["code"]) == (404, "not_found")
    status, body, _ = post(gateway, "/v1/models", b"{}")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")


def test_unknown_parameter_of_a_query_is_refused_by_name(
    client: openai.OpenAI,
) -> None:
    for path in ("/models", "/files", "/batches"):
        with pytest.raises(openai.BadRequestError, match="'depth' is not supported"):
            client.get(f"{path}?depth=3", cast_to=object)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "austen", "prompt": "x", "temperature": NaN}',
        b'{"model": "austen", "prompt": "\\ud800"}',
        b'{"model": "austen", "prompt": "x", "\\ud800": 1}',
        b'{"a":' * 100_000,
        b"[" * 200_000,
    ],
)
def test_body_that_is_no_call_is_refused(gateway: GatewayProcess, body: bytes) -> None:
    status, answer, _ = post(gateway, "/v1/completions", body)
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}


def test_body_beyond_the_limit_is_too_large(gateway: GatewayProcess) -> None:
    body = json.dumps({"model": MODEL, "prompt": "x" * (1 << 20)}).encode()
    status, answer, _ = post(gateway, "/v1/completions", body)
    assert status == 413
    assert answer["error"]["code"] == "body_too_large"


def test_key_that_is_missing_unknown_or_revoked_is_refused(
    gateway: GatewayProcess,
) -> None:
    key_id, key = gateway.key()
    gateway.client(key).models.list()
    gateway.database.write(lambda s: revoke_key(s, key_id))
    for wrong in (key, "assay-unknown"):
        with pytest.raises(openai.AuthenticationError) as caught:
            gateway.client(wrong).models.list()
        assert caught.value.code == "invalid_api_key"
    for odd in ("", "Bearer", "Bearer \xe9\xff", "Basic abc"):
        answer = post(gateway, "/v1/completions", b"{}", Authorization=odd)
        assert answer[0] == 401
        assert answer[2]["WWW-Authenticate"] == "Bearer"


def test_call_beyond_the_budget_is_refused_before_it_costs(
    gateway: GatewayProcess,
) -> None:
    key_id, key = gateway.key(budget=1)
    client = gateway.client(key)
    with pytest.raises(openai.APIStatusError) as caught:
        client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=2)
    assert caught.value.status_code == 402
    assert caught.value.code == "insufficient_quota"
    balance = gateway.balance(key_id)
    assert (balance.spent, balance.reserved) == (0, 0)
    gateway.database.write(lambda s: set_budget(s, key_id, 10**9))
    client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=2)


def test_calls_beyond_the_rate_are_told_when_to_come_back(
    gateway: GatewayProcess,
) -> None:
    _, key = gateway.key(calls_per_minute=2)
    client = gateway.client(key)
    for _ in range(2):
        with pytest.raises(openai.NotFoundError):
            client.completions.create(model="none", prompt=PROMPT)
    with pytest.raises(openai.RateLimitError) as caught:
        client.completions.create(model="none", prompt=PROMPT)
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 30


def test_job_that_fails_on_chain_is_told_with_its_reason_and_refunded(
    gateway: GatewayProcess, market: GatewayMarket
) -> None:
    key_id, key = gateway.key(budget=10**9)
    client = gateway.client(key)
    with market.workers_asleep(), ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(
                client.completions.create,
                model=MODEL,
                prompt=PROMPT,
                max_tokens=2,
                stream=is_stream,
            )
            for is_stream in (False, True)
        ]
        assert eventually(lambda: market.is_committing(), 60)
        market.network.chain.skip(3_600)
        with pytest.raises(openai.InternalServerError) as caught:
            calls[0].result(120)
        assert caught.value.status_code == 502
        assert caught.value.code == "job_failed"
        assert "0 committed and 0 revealed, 2 had to agree" in caught.value.message
        # A stream has begun by then, so the error is part of it.
        with pytest.raises(openai.APIError, match="without a quorum"):
            list(calls[1].result(120))
    balance = gateway.balance(key_id)
    assert (balance.spent, balance.reserved) == (0, 0)


@pytest.fixture(scope="module")
def switched(
    market: GatewayMarket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayProcess, Switch, Switch]]:
    """A gateway whose chain and content store can be cut off."""
    path = tmp_path_factory.mktemp("switched") / "gateway.sqlite"
    with (
        Switch(market.network.rpc_url) as chain,
        Switch(market.network.ipfs_api) as store,
    ):
        starting = market.gateway(
            f"sqlite:///{path}",
            rpc_url=chain.url,
            ipfs_api=store.url,
            database_wait_seconds=1,
        )
        with starting as running:
            # What a gateway needs to know of a model it asks for once.
            running.client().completions.create(
                model=MODEL, prompt=PROMPT, max_tokens=1
            )
            yield running, chain, store


@pytest.mark.parametrize("part", ["chain", "content_store"])
def test_call_while_a_part_is_down_is_unavailable_and_free(
    switched: tuple[GatewayProcess, Switch, Switch], part: str
) -> None:
    gateway, chain, store = switched
    key_id, key = gateway.key(budget=10**9)
    client = gateway.client(key)
    switch = chain if part == "chain" else store
    switch.turn_off()
    try:
        with pytest.raises(openai.InternalServerError) as caught:
            client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=2)
        assert caught.value.status_code == 503
        assert int(caught.value.response.headers["Retry-After"]) > 0
        balance = gateway.balance(key_id)
        assert (balance.spent, balance.reserved) == (0, 0)
        status = client.with_options(max_retries=0)
        with pytest.raises(openai.InternalServerError):
            status.get("/../readyz", cast_to=object)
    finally:
        switch.turn_on()
    client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=2)


def test_call_while_the_database_is_locked_is_unavailable(
    switched: tuple[GatewayProcess, Switch, Switch], tmp_path: Path
) -> None:
    gateway, _, _ = switched
    _, key = gateway.key()
    client = gateway.client(key)
    name = str(gateway.database.engine.url.database)
    with sqlite3.connect(name, isolation_level=None) as locking:
        locking.execute("BEGIN IMMEDIATE")
        with pytest.raises(openai.InternalServerError) as caught:
            client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=1)
        assert caught.value.status_code == 503
        assert caught.value.code == "database_unavailable"
        assert int(caught.value.response.headers["Retry-After"]) > 0
        locking.execute("ROLLBACK")
    locking.close()
    client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=1)


def test_call_while_postgresql_is_down_is_unavailable_and_then_served(
    market: GatewayMarket,
) -> None:
    with PostgresServer() as server:
        starting = market.gateway(server.url(), database_wait_seconds=1)
        with starting as gateway:
            key_id, key = gateway.key(budget=10**9)
            client = gateway.client(key)
            server.stop()
            with pytest.raises(openai.InternalServerError) as caught:
                client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=1)
            assert caught.value.status_code == 503
            assert caught.value.code == "database_unavailable"
            server.start()
            client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=1)
            assert eventually(lambda: gateway.balance(key_id).reserved == 0, 60)
            assert gateway.balance(key_id).spent > 0
