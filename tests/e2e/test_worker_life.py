"""A worker's life by its commands: key, preparation, work, drain, money out.

It serves a model of its own, so that it alone is drawn for the jobs here.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address

from devnet.processes.ports import free_ports
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.chain.rpc.provider import connect, request
from protocol.market.events import ResultRevealed
from protocol.market.types import JobState
from requester.jobs.drafts import Terms
from requester.jobs.job import Job
from requester.prompts.decoding import Decoding
from tests.e2e.assay_command import Assay, lines_until
from tests.support.machines.processes import eventually

KEY = bytes.fromhex("5a" * 31 + "17")
ADDRESS = Account.from_key(KEY).address
PASSWORD = "a room of one's own"
RECEIVER = to_checksum_address("0x" + "5e" * 20)
SECONDS = 120.0
# With a stop string nearly every answer is short, while the windows are made for all.
LONG = Decoding(max_new_tokens=400, stop=(",", "."), seed=1)


@dataclass(slots=True)
class Home:
    """One person's folder, with settings of its own, beside the local network."""

    assay: Assay
    network: Assay
    log: Path
    monitor_port: int
    model: str
    runs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def chain(self) -> dict[str, Any]:
        state: dict[str, Any] = self.network.json("status")
        return state

    def market(self, *, with_key: bool = False) -> MarketClient:
        deployment = Deployment.load(self.network.folder / ".assay/deployment.json")
        account = Account.from_key(KEY) if with_key else None
        return MarketClient.connect(self.chain["rpcUrl"], deployment, account)

    def rpc(self, method: str, *params: object) -> Any:
        return request(connect(self.chain["rpcUrl"]), method, *params)

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "assay.cli", "worker", "run", "--json-logs"],
                cwd=self.assay.folder,
                env=self.assay.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.runs.append(process)
        return process

    def page(self, path: str) -> tuple[int, str]:
        try:
            url = f"http://127.0.0.1:{self.monitor_port}{path}"
            with urllib.request.urlopen(url, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def is_ready(self) -> bool:
        return self.page("/readyz")[0] == 200

    def events(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]

    def submit(self) -> Job:
        client = self.network.requester(self.model)
        terms = Terms(redundancy=1)
        return client.submit(["Emma was not sorry, and"], decoding=LONG, terms=terms)

    def init(self) -> subprocess.CompletedProcess[str]:
        chain = self.chain
        return self.assay.run(
            *("worker", "init", "--rpc-url", chain["rpcUrl"]),
            *("--ipfs-api", chain["ipfsApi"], "--model", self.model),
            *("--deployment", str(self.network.folder / ".assay/deployment.json")),
            *("--password-file", str(self.assay.folder / "password")),
            *("--max-seats", "2"),
        )

    def fund(self) -> None:
        """Money for gas and two seats."""
        self.rpc("anvil_setBalance", ADDRESS, hex(10**18))
        market = self.market(with_key=True)
        market.faucet(2 * market.config.seat_bond)

    def ready(self) -> subprocess.Popen[bytes]:
        """A worker that runs and has two open seats."""
        if self.runs and self.runs[-1].poll() is None:
            return self.runs[-1]
        self.fund()
        process = self.start()
        # While it loads, it lives and is not ready.
        assert eventually(lambda: self.page("/healthz")[0] == 200, SECONDS), self.tail()
        assert eventually(self.is_ready, SECONDS), self.tail()
        return process

    def tail(self) -> str:
        last = self.log.read_text().splitlines()[-10:]
        return "\n".join([str(self.page("/readyz")), *last])

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.assay.json("worker", "status")
        return found

    def credit(self) -> int:
        return self.market().account_of(ADDRESS).credit


@dataclass(slots=True)
class Preparation:
    """What `keys import` and `init` said, before and after there was money."""

    imported: dict[str, Any]
    poor: subprocess.CompletedProcess[str]
    rich: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def unprepared(
    network: Assay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    (port,) = free_ports(1)
    # Another price makes another model of the same files. The pace is one that a busy
    # machine keeps up with on two seats.
    terms = ("--base-price", "3", "--ms-per-token", "100")
    published = network.ok("model", "publish", str(BUNDLED_MODEL), *terms)
    model = re.findall("0x[0-9a-f]{64}", published)[0]
    for name, text in {"key.hex": KEY.hex(), "password": PASSWORD}.items():
        (folder / name).touch(0o600)
        (folder / name).write_text(text + "\n")
    home = Home(Assay(folder), network, folder / "worker.log", port, model)
    yield home
    for process in home.runs:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def preparation(unprepared: Home) -> Preparation:
    home = unprepared
    password = ("--password-file", str(home.assay.folder / "password"))
    imported = home.assay.json("worker", "keys", "import", "key.hex", *password)
    poor = home.init()
    home.fund()
    rich = home.init()
    with (home.assay.folder / ".assay/assay.toml").open("a") as file:
        file.write(f'monitor_address = "127.0.0.1:{home.monitor_port}"\n')
    return Preparation(imported, poor, rich)


@pytest.fixture(scope="module")
def home(unprepared: Home, preparation: Preparation) -> Home:
    return unprepared


def test_init_says_what_is_missing_until_nothing_is(preparation: Preparation) -> None:
    assert preparation.imported["address"] == ADDRESS
    poor, rich = preparation.poor, preparation.rich
    assert poor.returncode == 11, poor.stdout + poor.stderr
    assert f"→ send 100 tokens to {ADDRESS}" in poor.stdout
    assert "ok   model" in poor.stdout and "BAD  gas" in poor.stdout
    assert "written: [worker]" in poor.stdout
    assert rich.returncode == 0, rich.stdout + rich.stderr
    assert "kept: [worker]" in rich.stdout
    assert "ready: run `assay worker run`" in rich.stdout


def test_run_becomes_ready_and_shows_its_status(home: Home) -> None:
    home.ready()
    status = home.status()
    assert status["process"]["obstacles"] == {}
    assert status["stake"] == 2 * home.market().config.seat_bond
    assert status["seatStates"]["idle"] == 2
    shown = home.assay.ok("worker", "status", "--once")
    assert ADDRESS in shown
    assert "running for" in shown and "100 tokens" in shown


def test_run_of_a_second_process_with_the_key_is_refused(home: Home) -> None:
    home.ready()
    refused = home.assay.run("worker", "run")
    assert refused.returncode == 6
    assert "another worker runs" in refused.stderr


def test_withdraw_while_it_runs_is_done_by_the_worker(home: Home) -> None:
    home.ready()
    before = home.credit()
    home.submit().wait("settled", SECONDS)
    assert eventually(lambda: home.credit() > before, SECONDS)
    credit, held = home.credit(), home.market().token_balance(RECEIVER)
    done = home.assay.json("worker", "withdraw", "0.000001", "--to", RECEIVER)
    assert (done["amount"], done["creditLeft"]) == (1, credit - 1)
    assert home.market().token_balance(RECEIVER) == held + 1
    too_much = home.assay.run("worker", "withdraw", "1000", "--to", RECEIVER)
    assert too_much.returncode == 6
    assert "cannot be withdrawn" in too_much.stderr


def test_metrics_after_a_job_show_its_way(home: Home) -> None:
    home.ready()
    home.submit().wait("settled", SECONDS)

    def counted() -> bool:
        page = home.page("/metrics")[1]
        return all(
            re.search(f"assay_worker_{name}_total [1-9]", page)
            for name in ("drawn", "computed", "committed", "revealed", "jobs_paid")
        )

    assert eventually(counted, SECONDS), home.page("/metrics")


def test_run_told_to_stop_in_the_middle_of_a_job_finishes_it(home: Home) -> None:
    process = home.ready()
    job = home.submit()
    assert eventually(lambda: is_drawn(job), SECONDS)
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    assert job.state() is JobState.ACCEPTED
    assert home.market().events(job_id=job.job_id, kinds=(ResultRevealed,))
    status = home.status()
    assert status["process"] is None
    assert status["seatStates"]["closing"] == len(status["seats"]) >= 2
    assert (status["missed"], status["slashed"]) == (0, 0)
    assert home.events()[-1] == "stopped"


def is_drawn(job: Job) -> bool:
    job.advance()
    return job.state() not in (JobState.NONEXISTENT, JobState.OPEN)


def test_drain_with_leave_turns_bonds_into_credit_to_withdraw(home: Home) -> None:
    home.ready()
    with home.assay.start("worker", "drain", "--leave") as leaving:
        heard = list(lines_until(leaving, "seats leave by block"))
        assert heard[0] == "the worker has ended\n"
        home.rpc("anvil_mine", hex(home.market().config.draw_deadline_blocks + 2))
        list(lines_until(leaving, "seats have left"))
        assert leaving.wait(SECONDS) == 0
    held = home.market().token_balance(RECEIVER)
    done = home.assay.json("worker", "withdraw", "all", "--to", RECEIVER)
    assert done["amount"] >= 2 * home.market().config.seat_bond
    assert done["creditLeft"] == 0
    assert home.market().token_balance(RECEIVER) == held + done["amount"]


def test_key_and_password_are_nowhere_but_in_their_files(home: Home) -> None:
    process = home.ready()
    secrets = [KEY, KEY.hex().encode(), PASSWORD.encode()]
    for name in ("cmdline", "environ"):
        held = Path(f"/proc/{process.pid}/{name}").read_bytes()
        assert not any(secret in held for secret in secrets), name
    files = [path for path in home.assay.folder.rglob("*") if path.is_file()]
    assert home.log in files
    for path in files:
        if path.name not in ("key.hex", "password"):
            held = path.read_bytes()
            assert not any(secret in held for secret in secrets), path
