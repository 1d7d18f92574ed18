"""A gateway as a process on a real market: chain, IPFS, workers, all of them processes.

The chain mines on demand, so a job takes as long as its work.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import openai

from devnet.network.gateway import MODEL_NAME, gateway_command, wait_for_gateway
from devnet.network.plan import Network, NetworkPlan, WorkerPlan
from devnet.network.start import local_market
from devnet.processes.process import Process
from gateway.accounts.keys import create_key
from gateway.accounts.ledger import Balance, balances
from gateway.database.engine import Database
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import CRASH_AT_VARIABLE
from protocol.market.events import JobPosted
from protocol.market.types import JobState, ModelId
from tests.support.machines.databases import open_quick
from tests.support.machines.processes import eventually

__all__ = ["GatewayMarket", "GatewayProcess", "gateway_market"]

_STOP_SECONDS = 60.0
_SEATS = 6
_WORKER = WorkerPlan(max_seats=_SEATS, flags=("--poll-seconds", 0.2))
_CHAT_TEMPLATE = Path(__file__).parents[1] / "models" / "chat_template.jinja"


class GatewayMarket:
    """A market whose workers run, for gateways to be started on.

    Attributes:
        network: All but the gateways.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._gateways = 0

    @property
    def model_id(self) -> ModelId:
        """The bundled model; with a chat template it is `austen-chat`."""
        return self.network.model_id

    @property
    def names(self) -> dict[str, str]:
        """The models' ids by the names that gateways give them."""
        plain, chat = (to_hex(one) for one in self.network.model_ids)
        return {MODEL_NAME: plain, f"{MODEL_NAME}-chat": chat}

    @property
    def wallet(self) -> MarketClient:
        """The gateways' wallet."""
        return self.network.client(self.network.gateway.account)

    def wealth(self) -> int:
        """Units that the wallet has in tokens and credit."""
        client = self.wallet
        return (
            client.token_balance(client.address)
            + client.account_of(client.address).credit
        )

    def gateway(self, database_url: str, **settings: object) -> GatewayProcess:
        """A gateway that is not started yet; settings as in `GatewaySettings`."""
        self._gateways += 1
        given = {
            "models": json.dumps(self.names),
            "port": 0,
            "poll_seconds": 0.1,
            "batch_window_ms": 50,
            "lease_seconds": 1,
        }
        name = f"gateway-{self._gateways}"
        return GatewayProcess(self.network, name, database_url, given | settings)

    def start_workers(self) -> None:
        """Start all workers, and wait until they can be drawn."""
        self.network.start_workers()
        client, count = self.wallet, len(self.network.workers) * _SEATS
        assert eventually(
            lambda: all(
                client.roster_size(model_id, 0) == count
                for model_id in self.network.model_ids
            ),
        ), "the workers opened no seats"

    def stop_workers(self) -> None:
        """End all workers."""
        for process in self.network.worker_processes:
            process.terminate()
        for process in self.network.worker_processes:
            process.wait(_STOP_SECONDS)

    @contextmanager
    def workers_asleep(self) -> Iterator[None]:
        """No worker does anything meanwhile."""
        for process in self.network.worker_processes:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in self.network.worker_processes:
                process.send_signal(signal.SIGCONT)

    def is_committing(self) -> bool:
        """Whether the last posted job has a committee that has not committed."""
        client = self.wallet
        posted = client.events(kinds=(JobPosted,))[-1].event
        assert isinstance(posted, JobPosted)
        return client.state_of(posted.job_id) is JobState.COMMITTING


class GatewayProcess:
    """`assay gateway run`, started, killed and started again on one database.

    Attributes:
        database: Its database, for a look from outside.
        url: Where it listens, once started.
    """

    def __init__(
        self, network: Network, name: str, database_url: str, settings: dict[str, Any]
    ) -> None:
        self.database: Database = open_quick(database_url)
        self.url = ""
        self._supervisor = network.supervisor
        self._command = gateway_command(
            network, name, **settings, database_url=database_url
        )
        self._process: Process | None = None
        self._clients: list[openai.OpenAI] = []

    # ------------------------------------------------------------ its life

    def start(self, *, crash_at: str | None = None) -> Self:
        """Start it, and return once it is ready."""
        command = self._command
        if crash_at is not None:
            variables = {**command.environment, CRASH_AT_VARIABLE: crash_at}
            command = replace(command, environment=variables)
        self._process = self._supervisor.start(command)
        self.url = wait_for_gateway(self._supervisor, self._process)
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self.wait_until_dead()

    def stop(self) -> int:
        """Tell it to stop; returns the exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self.wait_until_dead()

    def wait_until_dead(self) -> int:
        """Wait for it to end by itself; returns the exit code."""
        code = self._running.wait(_STOP_SECONDS)
        self._process = None
        return code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running.send_signal(number)

    def log(self) -> str:
        """What it has logged since its start."""
        return self._running.output()

    @property
    def _running(self) -> Process:
        assert self._process is not None
        return self._process

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
    chatty = folder / "austen-chat"
    shutil.copytree(BUNDLED_MODEL, chatty)
    shutil.copy(_CHAT_TEMPLATE, chatty / "chat_template.jinja")
    plan = NetworkPlan(
        workers=(_WORKER,) * 3,
        starts_workers=False,
        models=(BUNDLED_MODEL, chatty),
        # A pace that leaves every worker its seats, however busy the machine is.
        ms_per_token=100,
        block_seconds=None,
        requester_tokens=1_000_000_000,
    )
    with local_market(folder, plan) as network:
        market = GatewayMarket(network)
        market.start_workers()
        yield market
