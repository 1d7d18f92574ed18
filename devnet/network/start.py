"""The local network in order: chain, IPFS, contracts, model, workers, gateway."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from devnet.errors import ProcessDied
from devnet.network.folder import NetworkFolder
from devnet.network.gateway import (
    GATEWAY,
    gateway_answers,
    gateway_command,
    make_api_key,
)
from devnet.network.identities import Identity, write_identities
from devnet.network.settings_file import write_settings
from devnet.processes.anvil import anvil_command, chain_answers, find_anvil
from devnet.processes.ipfs import ipfs_answers, ipfs_command
from devnet.processes.ports import LOOPBACK
from devnet.processes.process import Command, Process
from devnet.processes.python import python_environment
from devnet.processes.supervisor import Supervisor, describe_exit
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deploying.terms import MarketTerms
from protocol.chain.deployment import Deployment
from protocol.errors import ChainError, StoreError
from protocol.hexadecimal import to_hex
from protocol.market.types import ModelId
from protocol.store.ipfs import IpfsStore
from worker.models.publish import publish_model

__all__ = ["Network", "NetworkPlan", "WorkerPlan", "start_network"]

_CHAIN_SECONDS = 20.0
_IPFS_SECONDS = 60.0
_WORKER_SECONDS = 120.0
_GATEWAY_SECONDS = 120.0
_WORKER_STAGE = 1
# Units of the test dollar, which has six decimals: 10,000 and 1,000 dollars. The bond
# of a seat is 50 dollars.
_REQUESTER_TOKENS = 10_000_000_000
_WORKER_TOKENS = 1_000_000_000

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """A worker to start.

    Attributes:
        max_seats: Most seats it opens.
        is_liar: Whether it alters what its engine generates.
    """

    max_seats: int = 1
    is_liar: bool = False


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """What to start, and where it listens (all on 127.0.0.1).

    Attributes:
        rpc_port: Port of the chain's RPC.
        ipfs_port: Port of the IPFS node's RPC.
        swarm_port: Port of the IPFS node for its peers.
        block_seconds: Seconds between blocks.
        workers: The workers to start.
        model: Folder of the model package to publish.
        gateway_port: Port of the gateway; None starts none.
    """

    rpc_port: int
    ipfs_port: int
    swarm_port: int
    block_seconds: int
    workers: tuple[WorkerPlan, ...]
    model: Path = BUNDLED_MODEL
    gateway_port: int | None = None

    @property
    def rpc_url(self) -> str:
        """The chain's RPC endpoint."""
        return f"http://{LOOPBACK}:{self.rpc_port}"

    @property
    def ipfs_api(self) -> str:
        """The IPFS node's RPC address."""
        return f"http://{LOOPBACK}:{self.ipfs_port}"

    @property
    def gateway_url(self) -> str:
        """Where the gateway listens; empty without one."""
        port = self.gateway_port
        return "" if port is None else f"http://{LOOPBACK}:{port}"


@dataclass(frozen=True, slots=True)
class Network:
    """A running network.

    Attributes:
        folder: Its files.
        plan: What was started.
        deployment: Where the contracts are.
        model_id: The bundled model.
        deployer: Who deployed; also the market's treasury.
        requester: Who has tokens to spend.
        spare: A funded account without a process, for one more worker.
        gateway: The gateway's wallet.
        workers: The workers' accounts, in the order of the plan.
        worker_processes: Their processes, in the same order.
    """

    folder: NetworkFolder
    plan: NetworkPlan
    deployment: Deployment
    model_id: ModelId
    deployer: Identity
    requester: Identity
    spare: Identity
    gateway: Identity
    workers: Sequence[Identity]
    worker_processes: list[Process]

    @property
    def identities(self) -> list[Identity]:
        """Everyone who has money on it."""
        first = [self.deployer, self.requester, *self.workers, self.spare]
        return [*first, self.gateway]

    @property
    def model_hex(self) -> str:
        """The model's id as `0x` and 64 digits."""
        return to_hex(self.model_id)


def start_network(
    supervisor: Supervisor, folder: NetworkFolder, plan: NetworkPlan, report: Report
) -> Network:
    """Start everything and return when the workers' seats are open.

    Args:
        supervisor: Owns the processes.
        folder: An empty or cleared folder.
        plan: What to start.
        report: Called with a short sentence before each step.

    Raises:
        DevnetError: A process cannot be started, died or is not ready in time.
        MarketError: Contracts, money or model could not be put in place.
    """
    try:
        return _start(supervisor, folder, plan, report)
    except (ChainError, StoreError) as error:
        # Nobody answers any more: then a death is the better explanation.
        for process in supervisor.deaths():
            raise ProcessDied(describe_exit(process)) from error
        raise


def _start(
    supervisor: Supervisor, folder: NetworkFolder, plan: NetworkPlan, report: Report
) -> Network:
    count = len(plan.workers)
    # One account more, for a worker that somebody adds by hand.
    identities = write_identities(folder.keys, workers=count + 1, others=(GATEWAY,))
    deployer, requester, *workers, gateway = identities
    report("starting the chain and the IPFS node")
    anvil, ipfs = _start_services(supervisor, folder, plan, len(identities))
    supervisor.wait_until(
        "the chain answers",
        lambda: chain_answers(plan.rpc_url),
        _CHAIN_SECONDS,
        [anvil],
    )
    report("deploying the contracts")
    deployment = deploy_market(
        plan.rpc_url,
        deployer.account,
        token=None,
        terms=MarketTerms.development(),
    )
    deployment.save(folder.deployment_file)
    supervisor.wait_until(
        "IPFS answers", lambda: ipfs_answers(plan.ipfs_api), _IPFS_SECONDS, [ipfs]
    )
    report("publishing the model and handing out test dollars")
    buyers = [requester, gateway]
    model_id = _fund_and_publish(plan, deployment, deployer, buyers, workers)
    network = Network(
        folder=folder,
        plan=plan,
        deployment=deployment,
        model_id=model_id,
        deployer=deployer,
        requester=requester,
        spare=workers[-1],
        gateway=gateway,
        workers=workers[:-1],
        worker_processes=[],
    )
    write_settings(network)
    report(f"starting {count} workers, which load the model and open their seats")
    _start_workers(supervisor, network)
    if plan.gateway_port is not None:
        report("starting the gateway")
        _start_gateway(supervisor, network)
    return network


def worker_command(network: Network, index: int) -> Command:
    """How to run one of the planned workers."""
    identity, plan = network.workers[index], network.plan.workers[index]
    options = {
        "--rpc-url": network.plan.rpc_url,
        "--ipfs-api": network.plan.ipfs_api,
        "--deployment": network.folder.deployment_file,
        "--key-file": identity.key_file,
        "--data-dir": network.folder.worker_folder(identity.name),
        "--model": network.model_hex,
        "--max-seats": plan.max_seats,
        "--threads": 1,
        # The chain ends with it: there is nothing to leave in good order.
        "--on-stop": "now",
    }
    flat = [str(part) for option in options.items() for part in option]
    program = ["devnet.demo.liar"] if plan.is_liar else ["assay.cli", "worker", "run"]
    return Command(
        identity.name,
        (sys.executable, "-m", *program, *flat, "--json-logs"),
        stage=_WORKER_STAGE,
        environment=python_environment(),
        folder=network.folder.worker_folder(identity.name),
    )


def _start_services(
    supervisor: Supervisor, folder: NetworkFolder, plan: NetworkPlan, accounts: int
) -> tuple[Process, Process]:
    chain = anvil_command(
        find_anvil(),
        port=plan.rpc_port,
        block_seconds=plan.block_seconds,
        accounts=accounts,
        folder=folder.devnet / "anvil",
    )
    content = ipfs_command(
        port=plan.ipfs_port,
        swarm_port=plan.swarm_port,
        repository=folder.devnet / "ipfs",
    )
    return supervisor.start(chain), supervisor.start(content)


def _fund_and_publish(
    plan: NetworkPlan,
    deployment: Deployment,
    deployer: Identity,
    requesters: Sequence[Identity],
    workers: Sequence[Identity],
) -> ModelId:
    """All at once: each waits for the same block."""

    def client_of(identity: Identity) -> MarketClient:
        return MarketClient.connect(plan.rpc_url, deployment, identity.account)

    def fund(identity: Identity) -> None:
        amount = _REQUESTER_TOKENS if identity in requesters else _WORKER_TOKENS
        client_of(identity).faucet(amount)

    with ThreadPoolExecutor(max_workers=len(workers) + 3) as pool:
        store = IpfsStore(plan.ipfs_api)
        published = pool.submit(publish_model, plan.model, store, client_of(deployer))
        # Taken one by one, so that a failure of any is raised here.
        for _ in pool.map(fund, [*requesters, *workers]):
            pass
        return published.result()


def _start_workers(supervisor: Supervisor, network: Network) -> None:
    for index in range(len(network.workers)):
        process = supervisor.start(worker_command(network, index))
        network.worker_processes.append(process)
    client = MarketClient.connect(network.plan.rpc_url, network.deployment, None)

    def has_seats() -> bool:
        accounts = (client.account_of(w.account.address) for w in network.workers)
        return all(account.seats > 0 for account in accounts)

    needs = network.worker_processes
    supervisor.wait_until("every worker has a seat", has_seats, _WORKER_SECONDS, needs)


def _start_gateway(supervisor: Supervisor, network: Network) -> None:
    make_api_key(network)
    process = supervisor.start(gateway_command(network))
    supervisor.wait_until(
        "the gateway is ready",
        lambda: gateway_answers(network.plan.gateway_url),
        _GATEWAY_SECONDS,
        [process],
    )
