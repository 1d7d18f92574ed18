"""A gateway as a process on a real market: chain, IPFS, workers, all of them processes.

The chain mines on demand, so a job takes as long as its work.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import openai

from gateway.accounts.keys import create_key
from gateway.accounts.ledger import Balance, balances
from gateway.database.engine import Database
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import save_key
from protocol.hexadecimal import to_hex
from protocol.market.events import JobPosted
from protocol.market.terms import MarketTerms
from protocol.market.types import JobState, ModelId
from protocol.store.ipfs import IpfsStore
from tests.support.machines.databases import open_quick
from tests.support.machines.processes import eventually
from tests.support.network.anvil import Anvil, development_account
from tests.support.network.ipfs import IpfsNode
from worker.models.publish import publish_model

__all__ = ["GatewayMarket", "GatewayProcess", "gateway_market"]

_ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_DOLLARS = 1_000_000
_DEPLOYER, _WALLET, _FIRST_WORKER = 0, 1, 2
_WORKERS = 3
_SEATS = 6
_MODEL_NAME, _CHAT_MODEL_NAME = "austen", "austen-chat"
_CHAT_TEMPLATE = Path(__file__).parents[1] / "models" / "chat_template.jinja"
# A pace that leaves every worker its seats, however busy the machine is.
_MS_PER_TOKEN = 100


@dataclass(slots=True)
class GatewayMarket:
    """A market whose workers run, for gateways to be started on.

    Attributes:
        anvil: The chain.
        ipfs: The content store.
        deployment: Where the contracts are.
        model_id: The bundled model; gateways call it `austen`.
        chat_model_id: The same with a chat template; they call it `austen-chat`.
        folder: Files of all processes.
        workers: The workers' processes.
    """

    anvil: Anvil
    ipfs: IpfsNode
    deployment: Deployment
    model_id: ModelId
    chat_model_id: ModelId
    folder: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def worker_addresses(self) -> list[str]:
        """Accounts of the workers."""
        indices = range(_FIRST_WORKER, _FIRST_WORKER + _WORKERS)
        return [development_account(index).address for index in indices]

    @property
    def names(self) -> dict[str, str]:
        """The models' ids by the names that gateways give them."""
        return {
            _MODEL_NAME: to_hex(self.model_id),
            _CHAT_MODEL_NAME: to_hex(self.chat_model_id),
        }

    @property
    def wallet(self) -> MarketClient:
        """The gateways' wallet."""
        account = development_account(_WALLET)
        return MarketClient.connect(self.anvil.url, self.deployment, account)

    def wealth(self) -> int:
        """Units that the wallet has in tokens and credit."""
        client = self.wallet
        return (
            client.token_balance(client.address)
            + client.account_of(client.address).credit
        )

    def gateway(self, database_url: str, **settings: object) -> GatewayProcess:
        """A gateway that is not started yet; settings as in `GatewaySettings`."""
        given = {
            "rpc_url": self.anvil.url,
            "ipfs_api": self.ipfs.api,
            "deployment": self.folder / "deployment.json",
            "key_file": self.folder / f"{_WALLET}.key",
            "data_dir": self.folder / "gateway",
            "database_url": database_url,
            "models": json.dumps(self.names),
            "port": 0,
            "poll_seconds": 0.1,
            "batch_window_ms": 50,
            "lease_seconds": 1,
        }
        return GatewayProcess(database_url, {**given, **settings}, self.folder)

    def start_workers(self) -> None:
        """Start all workers, and wait until they can be drawn."""
        for index in range(_FIRST_WORKER, _FIRST_WORKER + _WORKERS):
            self.workers.append(self._start_worker(index))
        client = self.wallet
        is_seated = eventually(
            lambda: all(
                client.roster_size(model_id, 0) == _WORKERS * _SEATS
                for model_id in (self.model_id, self.chat_model_id)
            ),
            _START_SECONDS,
        )
        assert is_seated, "the workers opened no seats"

    def stop_workers(self) -> None:
        """End all workers."""
        for process in self.workers:
            process.terminate()
        for process in self.workers:
            process.wait(_STOP_SECONDS)
        self.workers.clear()

    @contextmanager
    def workers_asleep(self) -> Iterator[None]:
        """No worker does anything meanwhile."""
        for process in self.workers:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in self.workers:
                process.send_signal(signal.SIGCONT)

    def is_committing(self) -> bool:
        """Whether the last posted job has a committee that has not committed."""
        client = self.wallet
        posted = client.events(kinds=(JobPosted,))[-1].event
        assert isinstance(posted, JobPosted)
        return client.state_of(posted.job_id) is JobState.COMMITTING

    def _start_worker(self, index: int) -> subprocess.Popen[bytes]:
        options = {
            "--rpc-url": self.anvil.url,
            "--ipfs-api": self.ipfs.api,
            "--deployment": self.folder / "deployment.json",
            "--key-file": self.folder / f"{index}.key",
            "--data-dir": self.folder / f"worker-{index}",
            "--max-seats": _SEATS,
            "--poll-seconds": 0.2,
        }
        flat = [str(part) for option in options.items() for part in option]
        flat += [part for name in self.names.values() for part in ("--model", name)]
        with (self.folder / f"worker-{index}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "assay.cli", "worker", "run", *flat],
                cwd=self.folder,
                env=_environment({}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


class GatewayProcess:
    """`assay gateway run`, started, killed and started again on one database.

    Attributes:
        database: Its database, for a look from outside.
        url: Where it listens, once started.
    """

    def __init__(
        self, database_url: str, settings: Mapping[str, object], folder: Path
    ) -> None:
        self.database: Database = open_quick(database_url)
        self.url = ""
        self._settings = settings
        self._folder = folder
        self._log = folder / f"gateway-{id(self):x}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[openai.OpenAI] = []

    # ------------------------------------------------------------ its life

    def start(self, *, crash_at: str | None = None) -> Self:
        """Start it, and return once it is ready."""
        given = {n: v for n, v in self._settings.items() if v is not None}
        extra = {f"ASSAY_GATEWAY_{n}".upper(): str(v) for n, v in given.items()}
        if crash_at is not None:
            extra["ASSAY_CRASH_AT"] = crash_at
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "assay.cli", "gateway", "run", "--json-logs"],
                cwd=self._folder,
                env=_environment(extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        assert eventually(self._is_ready, _START_SECONDS), self.log()
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_SECONDS)
            self._process = None

    def stop(self) -> int:
        """Tell it to stop; returns the exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.terminate()
        return process.wait(_STOP_SECONDS)

    def wait_until_dead(self) -> int:
        """Wait for it to end by itself; returns the exit code."""
        assert self._process is not None
        code = self._process.wait(_STOP_SECONDS)
        self._process = None
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def log(self) -> str:
        """What it has logged since its start."""
        return self._log.read_text(encoding="utf-8")

    def __enter__(self) -> Self:
        return self.start() if self._process is None else self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            client.close()
        self.stop()
        self.database.close()

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        for line in self.log().splitlines():
            facts = json.loads(line) if line.startswith("{") else {}
            if facts.get("event") == "ready":
                self.url = str(facts["address"])
        return bool(self.url) and _answers(self.url)

    # ------------------------------------------------------------ its callers

    def key(
        self, *, budget: int | None = None, calls_per_minute: int = 100_000
    ) -> tuple[str, str]:
        """A new API key's id, and the key."""
        made, secret = self.database.write(
            lambda s: create_key(
                s, "test", budget=budget, calls_per_minute=calls_per_minute
            )
        )
        return made.key_id, secret

    def client(self, key: str | None = None, **options: Any) -> openai.OpenAI:
        """The official client, of a key or of a new one; it tries once."""
        given = {"max_retries": 0, "timeout": 120, **options}
        secret = self.key()[1] if key is None else key
        made = openai.OpenAI(api_key=secret, base_url=f"{self.url}/v1", **given)
        self._clients.append(made)
        return made

    def balance(self, key_id: str) -> Balance:
        """What a key has spent and reserved."""
        with self.database.reading() as session:
            return balances(session)[key_id]


@contextmanager
def gateway_market(folder: Path) -> Iterator[GatewayMarket]:
    """A market with workers, from nothing; ended with all its processes."""
    with ExitStack() as stack:
        anvil = stack.enter_context(Anvil())
        ipfs = stack.enter_context(IpfsNode(folder / "ipfs"))
        deployer = development_account(_DEPLOYER)
        terms = MarketTerms.development()
        deployment = deploy_market(anvil.url, deployer, token=None, terms=terms)
        deployment.save(folder / "deployment.json")
        for index in range(_WALLET, _FIRST_WORKER + _WORKERS):
            account = development_account(index)
            save_key(folder / f"{index}.key", bytes(account.key))
            client = MarketClient.connect(anvil.url, deployment, account)
            client.faucet(1_000 * _DOLLARS)
        publisher = MarketClient.connect(anvil.url, deployment, deployer)
        chatty = folder / "austen-chat"
        shutil.copytree(BUNDLED_MODEL, chatty)
        shutil.copy(_CHAT_TEMPLATE, chatty / "chat_template.jinja")
        store = IpfsStore(ipfs.api)
        plain_id, chat_id = (
            publish_model(package, store, publisher, ms_per_token=_MS_PER_TOKEN)
            for package in (BUNDLED_MODEL, chatty)
        )
        market = GatewayMarket(anvil, ipfs, deployment, plain_id, chat_id, folder)
        stack.callback(market.stop_workers)
        market.start_workers()
        yield market


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    paths = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ASSAY_")}
    return {
        **inherited,
        "PYTHONPATH": paths.rstrip(os.pathsep),
        "PYTHONUNBUFFERED": "1",
        **extra,
    }


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        time.sleep(0.05)
        return False
