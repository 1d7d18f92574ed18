"""The processes of a run: a chain, an IPFS node, workers and a requester."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.chaos.faults import Fault, FaultKind
from benchmarks.chaos.requester import DRAIN_FILE, read_verified
from devnet.network.plan import Network, NetworkPlan, WorkerPlan
from devnet.network.start import local_market
from devnet.processes.ports import free_ports
from devnet.processes.process import Command, Process
from devnet.processes.python import python_environment
from devnet.processes.supervisor import describe_exit
from protocol.chain.client import MarketClient
from protocol.market.terms import MarketTerms
from protocol.market.types import JobId
from tests.support.faults.faulty_proxy import (
    FaultyProxy,
    Reply,
    Turn,
    rate_limit,
    slow,
    swallow,
)

__all__ = ["Crew", "crew"]

# Nobody who comes back within minutes is too late.
TERMS = replace(
    MarketTerms.development(), commit_floor_seconds=120, reveal_window_seconds=120
)
_BLOCK_SECONDS = 1
# A pace that a worker keeps while others load their models on the same cores.
_MS_PER_TOKEN = 50
_SEATS = 6
_REQUESTER_TOKENS = 30_000_000_000
# One that ended by itself is started again, as a service manager would.
_PAUSE_AFTER_EXIT_SECONDS = 1.0


@dataclass(slots=True)
class Crew:
    """What runs, and what was done to it.

    Attributes:
        network: The market, with its chain past the proxy.
        proxy: Between the chain and everybody else.
        running: Who may be killed, by name.
        kills: Processes that were killed.
        faults: How often each kind of fault was played.
        exits: Why processes ended that nobody had killed.
    """

    network: Network
    proxy: FaultyProxy
    running: dict[str, Process]
    kills: int = 0
    faults: dict[FaultKind, int] = field(default_factory=dict)
    exits: list[str] = field(default_factory=list)
    _back_at: dict[str, float] = field(default_factory=dict)
    _healed_at: float = 0.0

    @property
    def market(self) -> MarketClient:
        """Reads the chain, past the proxy."""
        return self.network.client()

    @property
    def verified(self) -> set[JobId]:
        """Jobs whose results the requester has read and verified."""
        return read_verified(_requester_folder(self.network))

    def play(self, fault: Fault) -> None:
        """Let something go wrong; it is mended by `tend`."""
        network = self.network
        if fault.kind is FaultKind.REORG:
            network.chain.rpc("anvil_reorg", fault.depth, [])
        elif fault.kind is FaultKind.KILL_WORKER:
            workers = [worker.name for worker in network.workers]
            names = workers[fault.victim :] + workers[: fault.victim]
            up = [name for name in names if name not in self._back_at]
            self._kill((up or names)[0], fault.seconds)
        elif fault.kind is FaultKind.KILL_REQUESTER:
            self._kill(network.requester.name, fault.seconds)
        elif fault.kind is FaultKind.KILL_IPFS:
            self._kill(network.ipfs.process.name, fault.seconds)
        else:
            self.proxy.heal()
            self.proxy.use(_trouble(fault))
            self._healed_at = time.monotonic() + fault.seconds
        self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1

    def tend(self) -> None:
        """Start again whoever is down for long enough, or ended by itself."""
        now = time.monotonic()
        if now >= self._healed_at:
            self.proxy.heal()
        for name, process in self.running.items():
            if name not in self._back_at and process.exit_code is not None:
                if name == self.network.requester.name and process.exit_code == 0:
                    continue
                self.exits.append(describe_exit(process))
                self._back_at[name] = now + _PAUSE_AFTER_EXIT_SECONDS
        for name, at in list(self._back_at.items()):
            if at <= now:
                del self._back_at[name]
                command = self.running[name].command
                self.running[name] = self.network.supervisor.start(command)

    def drain(self, seconds: float) -> bool:
        """Let all jobs end. Whether the requester said so in time."""
        (_requester_folder(self.network) / DRAIN_FILE).touch()
        name = self.network.requester.name
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.tend()
            if name not in self._back_at and self.running[name].exit_code == 0:
                return True
            time.sleep(0.1)
        return False

    def _kill(self, name: str, seconds: float) -> None:
        if name in self._back_at:
            return
        self.running[name].kill()
        self.kills += 1
        self._back_at[name] = time.monotonic() + seconds


def _trouble(fault: Fault) -> Callable[[Turn], Reply]:
    """What the chain's RPC does until it is healed."""
    if fault.kind is FaultKind.RPC_STALL:
        return slow(fault.seconds)
    return rate_limit() if fault.kind is FaultKind.RPC_REFUSAL else swallow()


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
    # The node is started again where the others look for it.
    ipfs_port, swarm_port = free_ports(2)
    plan = NetworkPlan(
        workers=(WorkerPlan(),) * workers,
        starts_workers=False,
        ms_per_token=_MS_PER_TOKEN,
        terms=TERMS,
        block_seconds=None,
        ipfs_port=ipfs_port,
        swarm_port=swarm_port,
        requester_tokens=_REQUESTER_TOKENS,
    )
    with local_market(folder, plan) as network, FaultyProxy(network.rpc_url) as proxy:
        worker = WorkerPlan(max_seats=_SEATS, flags=("--rpc-url", proxy.url))
        staff = [network.start_worker(one, worker) for one in network.workers]
        network.wait_for_seats(network.workers, staff)
        network.chain.mine_every(_BLOCK_SECONDS)
        poster = network.supervisor.start(_poster(network, proxy, in_flight))
        processes = (*staff, poster, network.ipfs.process)
        yield Crew(network, proxy, {process.name: process for process in processes})


def _poster(network: Network, proxy: FaultyProxy, in_flight: int) -> Command:
    """How to run the requester."""
    folder = _requester_folder(network)
    options = {
        "--rpc-url": proxy.url,
        "--ipfs-api": network.ipfs_api,
        "--deployment": network.folder.deployment_file,
        "--model": network.model_hex,
        "--in-flight": in_flight,
        "--key-file": network.requester.key_file,
        "--data-dir": folder,
    }
    flags = [str(part) for option in options.items() for part in option]
    return Command(
        network.requester.name,
        (sys.executable, "-m", "benchmarks.chaos.requester", *flags),
        stage=1,
        environment=python_environment(),
        folder=folder,
    )


def _requester_folder(network: Network) -> Path:
    return network.folder.devnet / network.requester.name
