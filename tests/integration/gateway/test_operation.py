"""What an operator relies on: commands, limits, headers, logs, metrics."""

from __future__ import annotations

import json
import signal
import socket
import threading
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import openai
import pytest

from gateway.accounts.keys import list_keys
from gateway.database.engine import create_database
from gateway.database.schema import migrate
from tests.e2e.assay_command import Assay
from tests.support.machines.processes import eventually
from tests.support.network.gateway import GatewayMarket, GatewayProcess

MODEL = "austen"
SECRET_PROMPT = "Confidential: Mr. Churchill"


def get(url: str, **headers: str) -> tuple[int, str, Message]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def test_health_and_readiness_name_what_works(gateway: GatewayProcess) -> None:
    assert get(f"{gateway.url}/healthz")[0] == 200
    # The index may have to catch up first.
    assert eventually(lambda: get(f"{gateway.url}/readyz")[0] == 200)
    _, body, _ = get(f"{gateway.url}/readyz")
    checks = json.loads(body)["checks"]
    assert {"chain", "content_store", "database", "jobs"} <= set(checks)
    assert set(checks.values()) == {"ok"}


def test_metrics_count_calls_and_jobs_without_their_contents(
    gateway: GatewayProcess,
) -> None:
    _, key = gateway.key()
    client = gateway.client(key)
    client.completions.create(model=MODEL, prompt=SECRET_PROMPT, max_tokens=2)
    _, text, headers = get(f"{gateway.url}/metrics")
    assert headers["Content-Type"].startswith("text/plain")
    lines = dict(
        line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")
    )
    counted = 'assay_gateway_http_requests_total{method="POST",path="/v1/completions"'
    assert float(lines[f'{counted},status="200"}}']) >= 1
    assert float(lines['assay_gateway_jobs_total{stage="accepted"}']) >= 1
    assert float(lines["assay_gateway_posting_gas_total"]) > 50_000
    for secret in (key, SECRET_PROMPT):
        assert secret not in text


def test_log_holds_neither_prompts_nor_keys(gateway: GatewayProcess) -> None:
    key_id, key = gateway.key()
    answer = gateway.client(key).completions.create(
        model=MODEL, prompt=SECRET_PROMPT, max_tokens=12, seed=5
    )
    get(f"{gateway.url}/v1/models/{SECRET_PROMPT.split()[-1]}?q=secret")

    def lines() -> list[dict[str, object]]:
        found = (json.loads(x) for x in gateway.log().splitlines() if x[:1] == "{")
        return [x for x in found if x.get("key_id") == key_id]

    assert eventually(lambda: bool(lines()))
    (line,) = lines()
    assert (line["event"], line["status"], line["path"]) == (
        "request",
        200,
        "/v1/completions",
    )
    log = gateway.log()
    for secret in (SECRET_PROMPT, "Churchill", key, answer.choices[0].text, "q=secret"):
        assert secret not in log


def test_answers_carry_headers_of_safety_and_no_cors(gateway: GatewayProcess) -> None:
    for path in ("/healthz", "/v1/models", "/nothing"):
        _, _, headers = get(gateway.url + path, Origin="https://elsewhere.example")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Request-Id"].startswith("req-")
        assert "Access-Control-Allow-Origin" not in headers
        assert "Server" not in headers


@pytest.fixture(scope="module")
def narrow(
    market: GatewayMarket, tmp_path_factory: pytest.TempPathFactory
) -> GatewayProcess:
    """A gateway with tight limits and a page of its own, started by each test."""
    path = tmp_path_factory.mktemp("narrow") / "gateway.sqlite"
    return market.gateway(
        f"sqlite:///{path}",
        cors_origins='["https://shop.example"]',
        max_concurrent_calls=2,
        body_timeout_seconds=1,
        call_timeout_seconds=2,
    )


def test_limits_of_a_narrow_gateway_hold(
    narrow: GatewayProcess, market: GatewayMarket
) -> None:
    with narrow as gateway:
        url = f"{gateway.url}/v1/models"
        _, _, headers = get(url, Origin="https://shop.example")
        assert headers["Access-Control-Allow-Origin"] == "https://shop.example"
        _, _, headers = get(url, Origin="https://elsewhere.example")
        assert "Access-Control-Allow-Origin" not in headers

        _check_slow_bodies(gateway)
        _check_waiting_calls(gateway, market)


def _check_slow_bodies(gateway: GatewayProcess) -> None:
    """A body that stops coming is not waited for."""
    host, port = gateway.url.removeprefix("http://").split(":")
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {gateway.key()[1]}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection((host, int(port)), timeout=30) as caller:
        caller.sendall(head.encode())
        assert b" 408 " in caller.recv(4096).split(b"\r\n")[0]


def _check_waiting_calls(gateway: GatewayProcess, market: GatewayMarket) -> None:
    """More calls than may be under way are told so; one that lasts is let go."""
    key_id, key = gateway.key()
    statuses: list[int] = []

    def call(client: openai.OpenAI) -> None:
        try:
            client.completions.create(model=MODEL, prompt="Emma", max_tokens=80)
            statuses.append(200)
        except openai.APIStatusError as error:
            statuses.append(error.status_code)

    clients = [gateway.client(key) for _ in range(4)]
    callers = [threading.Thread(target=call, args=(c,)) for c in clients]
    with market.workers_asleep():
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert sorted(statuses) == [503, 503, 504, 504]
    # Those that were let in go on, and are settled to the unit.
    assert eventually(lambda: gateway.balance(key_id).reserved == 0, 120)
    assert gateway.balance(key_id).spent > 0


def test_second_signal_is_not_needed_and_the_port_is_free_again(
    market: GatewayMarket, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with market.gateway(url) as gateway:
        port = int(gateway.url.rsplit(":", 1)[1])
        gateway.signal(signal.SIGINT)
        assert gateway.wait_until_dead() == 0
        with socket.create_server(("127.0.0.1", port)):
            pass


@pytest.fixture
def assay(tmp_path: Path) -> Assay:
    return Assay(tmp_path)


def test_keys_command_makes_lists_limits_and_revokes(
    assay: Assay, database_url: str
) -> None:
    flags = ("--database-url", database_url)
    made = assay.json("gateway", "keys", "create", "shop", "--budget", "2.5", *flags)
    assert made["key"].startswith("assay-")
    assert made["budget"] == 2_500_000
    plain = assay.ok("gateway", "keys", "create", "other", *flags)
    assert plain.strip().startswith("assay-")
    listed = assay.json("gateway", "keys", "list", *flags)["keys"]
    assert {key["name"] for key in listed} == {"shop", "other"}
    assert made["key"] not in json.dumps(listed)
    key_id = made["keyId"]
    changed = assay.json("gateway", "keys", "budget", key_id, "none", *flags)
    assert changed["budget"] is None
    assert "revoked" in assay.ok("gateway", "keys", "revoke", key_id, *flags)
    with create_database(database_url) as database, database.reading() as session:
        assert [key.revoked_at is None for key in list_keys(session)] == [False, True]


def test_keys_command_of_an_unknown_key_says_what_to_do(
    assay: Assay, database_url: str
) -> None:
    flags = ("--database-url", database_url)
    done = assay.run("gateway", "keys", "revoke", "key-none", *flags)
    assert done.returncode == 1
    assert "`assay gateway keys list` shows all" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = assay.run("gateway", "keys", "create", "x", "--budget", "much", *flags)
    assert done.returncode == 2


def test_run_command_without_what_it_needs_is_one_line(
    assay: Assay, market: GatewayMarket
) -> None:
    deployment = ("--deployment", str(market.network.folder.deployment_file))
    port = ("--port", "0")
    done = assay.run("gateway", "run", *deployment, *port)
    assert done.returncode == 2
    assert "has no wallet" in done.stderr.splitlines()[-1]
    key = ("--key-file", str(market.network.gateway.key_file))
    dead = ("--rpc-url", "http://127.0.0.1:9")
    done = assay.run("gateway", "run", *deployment, *port, *key, *dead)
    assert done.returncode == 3
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = ("--port", str(taken.getsockname()[1]))
        done = assay.run("gateway", "run", *deployment, *key, *busy)
    assert done.returncode == 2
    assert "choose another --host or --port" in done.stderr


def test_wallet_command_writes_a_keystore_that_runs_the_gateway(
    assay: Assay, market: GatewayMarket, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    password.chmod(0o600)
    made = assay.json(
        *("gateway", "wallet", "create", "keystore.json"),
        *("--password-file", str(password)),
        *("--from-key-file", str(market.network.gateway.key_file)),
    )
    assert made["address"] == market.wallet.address
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with market.gateway(
        url,
        key_file=tmp_path / "keystore.json",
        password_file=password,
    ) as gateway:
        answer = gateway.client().completions.create(
            model=MODEL, prompt="Emma", max_tokens=1
        )
        assert answer.choices


def test_database_of_a_newer_version_is_refused(
    assay: Assay, market: GatewayMarket, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/gateway.sqlite"
    with create_database(url) as database:
        migrate(database)
        with database.writing() as session:
            session.connection().exec_driver_sql(
                "UPDATE alembic_version SET version_num = '9999'"
            )
    done = assay.run("gateway", "keys", "list", "--database-url", url)
    assert done.returncode == 7
    assert "install the newer program" in done.stderr
