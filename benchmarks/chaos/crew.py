"""The processes of a run: a chain, an IPFS node, workers and a requester."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.chaos.faults import Fault, FaultKind
from benchmarks.chaos.proxy import RpcProxy, rpc_proxy
from benchmarks.chaos.requester import DRAIN_FILE, read_verified
from devnet.network.identities import Identity, write_identities
from devnet.processes.anvil import anvil_command, chain_answers, find_anvil
from devnet.processes.ipfs import ipfs_answers, ipfs_command
from devnet.processes.ports import LOOPBACK, free_ports
from devnet.processes.process import Command, Process
from devnet.processes.python import python_environment
from devnet.processes.rpc import ask
from devnet.processes.supervisor import Supervisor, describe_exit
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.hexadecimal import to_hex
from protocol.market.terms import MarketTerms
from protocol.market.types import JobId, ModelId
from protocol.store.ipfs import IpfsStore
from worker.models.publish import publish_model

__all__ = ["Crew", "crew"]

logger = logging.getLogger(__name__)

# Nobody who comes back within minutes is too late.
TERMS = replace(
    MarketTerms.development(), commit_floor_seconds=120, reveal_window_seconds=120
)
_START_SECONDS = 120.0
_BLOCK_SECONDS = 1
# A pace that a worker keeps while others load their models on the same cores.
_MS_PER_TOKEN = 50
_SEATS = 6
_WORKER_TOKENS = 1_000_000_000
_REQUESTER_TOKENS = 10_000_000_000
_FAUCET_CALLS = 3
_WORKER_STAGE = 1
# One that ended by itself is started again, as a service manager would.
_PAUSE_AFTER_EXIT_SECONDS = 1.0
_REQUESTER, _IPFS = "requester", "ipfs"
_DEPLOYMENT = "deployment.json"


@dataclass(slots=True)
class Crew:
    """What runs, and what was done to it.

    Attributes:
        proxy: Between the chain and everybody else.
        rpc_url: The chain itself.
        folder: Files of all.
        market: Reads the chain, past the proxy.
        kills: Processes that were killed.
        faults: How often each kind of fault was played.
        exits: Why processes ended that nobody had killed.
    """

    supervisor: Supervisor
    proxy: RpcProxy
    rpc_url: str
    folder: Path
    market: MarketClient
    commands: dict[str, Command]
    running: dict[str, Process]
    kills: int = 0
    faults: dict[FaultKind, int] = field(default_factory=dict)
    exits: list[str] = field(default_factory=list)
    _back_at: dict[str, float] = field(default_factory=dict)

    @property
    def workers(self) -> list[str]:
        """Their names."""
        return [name for name in self.commands if name.startswith("worker")]

    @property
    def verified(self) -> set[JobId]:
        """Jobs whose results the requester has read and verified."""
        return read_verified(self.folder / _REQUESTER)

    def play(self, fault: Fault) -> None:
        """Let something go wrong; it is mended by `tend`."""
        if fault.kind is FaultKind.REORG:
            ask(self.rpc_url, "anvil_reorg", fault.depth, [])
        elif fault.kind is FaultKind.KILL_WORKER:
            names = self.workers[fault.victim :] + self.workers[: fault.victim]
            up = [name for name in names if name not in self._back_at]
            self._kill((up or names)[0], fault.seconds)
        elif fault.kind is FaultKind.KILL_REQUESTER:
            self._kill(_REQUESTER, fault.seconds)
        elif fault.kind is FaultKind.KILL_IPFS:
            self._kill(_IPFS, fault.seconds)
        else:
            self.proxy.trouble(fault.kind, fault.seconds)
        self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1

    def tend(self) -> None:
        """Start again whoever is down for long enough, or ended by itself."""
        now = time.monotonic()
        for name, process in self.running.items():
            if name not in self._back_at and process.exit_code is not None:
                if name == _REQUESTER and process.exit_code == 0:
                    continue
                self.exits.append(describe_exit(process))
                self._back_at[name] = now + _PAUSE_AFTER_EXIT_SECONDS
        for name, at in list(self._back_at.items()):
            if at <= now:
                del self._back_at[name]
                self.running[name] = self.supervisor.start(self.commands[name])

    def drain(self, seconds: float) -> bool:
        """Let all jobs end. Whether the requester said so in time."""
        (self.folder / _REQUESTER / DRAIN_FILE).touch()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tend()
            is_back = _REQUESTER not in self._back_at
            if is_back and self.running[_REQUESTER].exit_code == 0:
                return True
            time.sleep(0.1)
        return False

    def _kill(self, name: str, seconds: float) -> None:
        if name in self._back_at:
            return
        self.running[name].kill()
        self.kills += 1
        self._back_at[name] = time.monotonic() + seconds


@contextmanager
def crew(folder: Path, *, workers: int, in_flight: int) -> Iterator[Crew]:
    """Start everything; ends all of it with the block.

    Args:
        folder: An empty folder.
        workers: How many workers.
        in_flight: Jobs that the requester keeps open.

    Raises:
        DevnetError: Something cannot be started.
        MarketError: Contracts, money or model could not be put in place.
    """
    place = _Place.find(folder, workers)
    rpc_url = place.rpc_url
    with Supervisor(folder / "logs") as supervisor, rpc_proxy(rpc_url) as proxy:
        ipfs = _start_services(supervisor, place)
        # At once while everything is put in place, by the second afterwards.
        ask(rpc_url, "evm_setAutomine", True)
        deployment, model_id = _set_up(place)
        commands = _commands(place, proxy.url, model_id, in_flight)
        market = MarketClient.connect(rpc_url, deployment)
        running = _start_workers(supervisor, place, commands, market)
        ask(rpc_url, "evm_setIntervalMining", _BLOCK_SECONDS)
        running[_REQUESTER] = supervisor.start(commands[_REQUESTER])
        commands[_IPFS], running[_IPFS] = place.content, ipfs
        yield Crew(supervisor, proxy, rpc_url, folder, market, commands, running)


@dataclass(frozen=True, slots=True)
class _Place:
    """Ports, accounts, and how to run the chain and the IPFS node."""

    folder: Path
    rpc_url: str
    ipfs_api: str
    identities: Sequence[Identity]
    chain: Command
    content: Command

    @classmethod
    def find(cls, folder: Path, workers: int) -> _Place:
        chain_port, ipfs_port, swarm_port = free_ports(3)
        identities = write_identities(folder / "keys", workers=workers)
        return cls(
            folder=folder,
            rpc_url=f"http://{LOOPBACK}:{chain_port}",
            ipfs_api=f"http://{LOOPBACK}:{ipfs_port}",
            identities=identities,
            chain=anvil_command(
                find_anvil(),
                port=chain_port,
                block_seconds=_BLOCK_SECONDS,
                accounts=len(identities),
                folder=folder / "anvil",
            ),
            content=ipfs_command(
                port=ipfs_port, swarm_port=swarm_port, repository=folder / "ipfs"
            ),
        )

    @property
    def workers(self) -> Sequence[Identity]:
        return self.identities[2:]


def _start_services(supervisor: Supervisor, place: _Place) -> Process:
    """The chain and the IPFS node; the latter's process, for it will be killed."""
    ipfs = supervisor.start(place.content)
    chain = supervisor.start(place.chain)
    _wait(supervisor, "the chain", lambda: chain_answers(place.rpc_url), chain)
    _wait(supervisor, "IPFS", lambda: ipfs_answers(place.ipfs_api), ipfs)
    return ipfs


def _start_workers(
    supervisor: Supervisor,
    place: _Place,
    commands: Mapping[str, Command],
    market: MarketClient,
) -> dict[str, Process]:
    running = {
        worker.name: supervisor.start(commands[worker.name]) for worker in place.workers
    }
    addresses = [worker.account.address for worker in place.workers]

    def have_seats() -> bool:
        return all(market.account_of(address).seats for address in addresses)

    _wait(supervisor, "every worker has seats", have_seats, *running.values())
    return running


def _wait(
    supervisor: Supervisor, what: str, probe: Callable[[], bool], *needs: Process
) -> None:
    supervisor.wait_until(what, probe, _START_SECONDS, needs)


def _set_up(place: _Place) -> tuple[Deployment, ModelId]:
    """Contracts, model and money."""
    deployer, requester, *workers = place.identities
    deployment = deploy_market(place.rpc_url, deployer.account, token=None, terms=TERMS)
    deployment.save(place.folder / _DEPLOYMENT)

    def client_of(identity: Identity) -> MarketClient:
        return MarketClient.connect(place.rpc_url, deployment, identity.account)

    model_id = publish_model(
        BUNDLED_MODEL,
        IpfsStore(place.ipfs_api),
        client_of(deployer),
        ms_per_token=_MS_PER_TOKEN,
    )
    for _ in range(_FAUCET_CALLS):
        client_of(requester).faucet(_REQUESTER_TOKENS)
    for worker in workers:
        client_of(worker).faucet(_WORKER_TOKENS)
    return deployment, model_id


def _commands(
    place: _Place, rpc_url: str, model_id: ModelId, in_flight: int
) -> dict[str, Command]:
    """How to run the requester and each worker, by name."""
    _, requester, *workers = place.identities
    shared: dict[str, object] = {
        "--rpc-url": rpc_url,
        "--ipfs-api": place.ipfs_api,
        "--deployment": place.folder / _DEPLOYMENT,
        "--model": to_hex(model_id),
    }
    commands = {
        requester.name: _command(
            requester,
            ("benchmarks.chaos.requester",),
            {**shared, "--in-flight": in_flight},
            place.folder,
        )
    }
    for worker in workers:
        options = {**shared, "--max-seats": _SEATS, "--threads": 1}
        program = ("assay.cli", "worker", "run", "--json-logs")
        commands[worker.name] = _command(worker, program, options, place.folder)
    return commands


def _command(
    identity: Identity,
    program: tuple[str, ...],
    options: dict[str, object],
    folder: Path,
) -> Command:
    own = folder / identity.name
    named = {**options, "--key-file": identity.key_file, "--data-dir": own}
    flags = [str(part) for option in named.items() for part in option]
    return Command(
        identity.name,
        (sys.executable, "-m", *program, *flags),
        stage=_WORKER_STAGE,
        environment=python_environment(),
        folder=own,
    )
