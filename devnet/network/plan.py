"""What a local network is to be, and what it is once it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eth_account.signers.local import LocalAccount

from devnet.network.folder import NetworkFolder
from devnet.network.identities import Identity
from devnet.processes.anvil import Anvil
from devnet.processes.ipfs import IpfsNode
from devnet.processes.process import Command, Process
from devnet.processes.python import python_environment
from devnet.processes.supervisor import Supervisor
from inference import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.hexadecimal import to_hex
from protocol.market.terms import MarketTerms
from protocol.market.types import ModelId
from requester.client import Client
from requester.settings import RequesterSettings
from worker.models.publish import BASE_PRICE, MS_PER_TOKEN

__all__ = ["WORKER_STAGE", "Network", "NetworkPlan", "WorkerPlan"]

WORKER_STAGE = 1
"""Processes below it are those without which a network is none."""

_SEATS_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """A worker to start.

    Attributes:
        max_seats: Most seats it opens.
        program: Module and first arguments; flags of `assay worker run` follow.
        flags: More flags, for this worker.
    """

    max_seats: int = 1
    program: tuple[str, ...] = ("assay.cli", "worker", "run")
    flags: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPlan:
    """What to start; all of it listens on 127.0.0.1, on a free port where it says 0.

    Attributes:
        workers: The workers to start.
        starts_workers: False leaves that to `Network.start_workers`.
        models: Folders of the model packages to publish; workers serve all of them.
        base_price: Of these models, units of a token at tick 0.
        ms_per_token: Pace that the models' workers sign up to.
        terms: Of the market.
        block_seconds: Seconds between blocks once it is ready; None mines a block for
            each transaction, so that nobody waits.
        rpc_port: Port of the chain's RPC.
        ipfs_port: Port of the IPFS node's RPC.
        swarm_port: Port of the IPFS node for its peers.
        gateway_port: Port of the gateway; None starts none.
        ipfs_options: More options of the IPFS node.
        accounts: Accounts with gas money besides those that the network uses.
        requester_tokens: Units that requester and gateway have.
        worker_tokens: Units that each worker has.
    """

    workers: tuple[WorkerPlan, ...] = ()
    starts_workers: bool = True
    models: tuple[Path, ...] = (BUNDLED_MODEL,)
    base_price: int = BASE_PRICE
    ms_per_token: int = MS_PER_TOKEN
    terms: MarketTerms = field(default_factory=MarketTerms.development)
    block_seconds: int | None = 1
    rpc_port: int = 0
    ipfs_port: int = 0
    swarm_port: int = 0
    gateway_port: int | None = None
    ipfs_options: tuple[object, ...] = ()
    accounts: int = 0
    # Of the test dollar, which has six decimals; the bond of a seat is 50 dollars.
    requester_tokens: int = 10_000_000_000
    worker_tokens: int = 1_000_000_000


@dataclass(slots=True)
class Network:
    """A running network; what it starts ends with its supervisor.

    Attributes:
        plan: What was started.
        folder: Its files.
        supervisor: Owns the processes.
        chain: Its chain.
        ipfs: Its content store.
        deployment: Where the contracts are.
        model_ids: The plan's models.
        deployer: Who deployed; also the market's treasury.
        requester: Who has tokens to spend.
        workers: The workers' accounts, in the order of the plan.
        spare: A funded account without a process, for one more worker.
        gateway: The gateway's wallet.
        worker_processes: The workers' processes, in the order of the plan.
        gateway_url: Where the gateway listens; empty without one.
    """

    plan: NetworkPlan
    folder: NetworkFolder
    supervisor: Supervisor
    chain: Anvil
    ipfs: IpfsNode
    deployment: Deployment
    model_ids: Sequence[ModelId]
    deployer: Identity
    requester: Identity
    workers: Sequence[Identity]
    spare: Identity
    gateway: Identity
    worker_processes: list[Process] = field(default_factory=list)
    gateway_url: str = ""

    @property
    def identities(self) -> list[Identity]:
        """Everyone who has money on it."""
        first = [self.deployer, self.requester, *self.workers, self.spare]
        return [*first, self.gateway]

    @property
    def rpc_url(self) -> str:
        """The chain's RPC endpoint."""
        return self.chain.url

    @property
    def ipfs_api(self) -> str:
        """The IPFS node's RPC address."""
        return self.ipfs.api

    @property
    def model_id(self) -> ModelId:
        """The first of its models."""
        return self.model_ids[0]

    @property
    def model_hex(self) -> str:
        """The first model's id as `0x` and 64 digits."""
        return to_hex(self.model_id)

    def client(self, account: LocalAccount | None = None) -> MarketClient:
        """A market client with an account's key, or for reading only.

        Raises:
            ChainError: The chain does not answer.
        """
        return MarketClient.connect(self.rpc_url, self.deployment, account)

    def requester_client(self, **settings: object) -> Client:
        """The SDK with the requester's key.

        Args:
            settings: Of `RequesterSettings`, where they are not the network's.

        Raises:
            MarketError: As `Client.connect`.
        """
        known = {
            "rpc_url": self.rpc_url,
            "ipfs_api": self.ipfs_api,
            "deployment": self.folder.deployment_file,
            "key_file": self.requester.key_file,
            "model": self.model_hex if self.model_ids else None,
            "data_dir": self.folder.devnet / "requester",
        }
        return Client.connect(RequesterSettings.load(**known | settings))

    def worker_command(self, identity: Identity, plan: WorkerPlan) -> Command:
        """How to run a worker of an account."""
        models = [("--model", to_hex(model_id)) for model_id in self.model_ids]
        data = self.folder.worker_folder(identity.name)
        options: list[tuple[object, ...]] = [
            ("--rpc-url", self.rpc_url),
            ("--ipfs-api", self.ipfs_api),
            ("--deployment", self.folder.deployment_file),
            ("--key-file", identity.key_file),
            ("--data-dir", data),
            *models,
            ("--max-seats", plan.max_seats),
            ("--threads", 1),
            # The chain ends with it: there is nothing to leave in good order.
            ("--on-stop", "now"),
            plan.flags,
        ]
        flags = [str(part) for option in options for part in option]
        return Command(
            identity.name,
            (sys.executable, "-m", *plan.program, *flags, "--json-logs"),
            stage=WORKER_STAGE,
            environment=python_environment(),
            folder=data,
        )

    def start_worker(self, identity: Identity, plan: WorkerPlan) -> Process:
        """Start a worker of an account; it opens its seats in its own time.

        Raises:
            DevnetError: The program cannot be run.
        """
        return self.supervisor.start(self.worker_command(identity, plan))

    def start_workers(self, seats: int = 1) -> None:
        """Start the plan's workers, and wait for their seats.

        Args:
            seats: How many each of them must have open.

        Raises:
            DevnetError: One of them ended, or has no seat in time.
        """
        self.worker_processes[:] = [
            self.start_worker(identity, plan)
            for identity, plan in zip(self.workers, self.plan.workers, strict=True)
        ]
        self.wait_for_seats(self.workers, self.worker_processes, seats)

    def wait_for_seats(
        self, workers: Sequence[Identity], processes: Sequence[Process], seats: int = 1
    ) -> None:
        """Wait until each of these workers has so many seats.

        Raises:
            DevnetError: A process of theirs ended, or one has no seat in time.
        """
        market = self.client()

        def have_seats() -> bool:
            accounts = (market.account_of(worker.address) for worker in workers)
            return all(account.seats >= seats for account in accounts)

        self.supervisor.wait_until(
            "every worker has its seats", have_seats, _SEATS_SECONDS, processes
        )
