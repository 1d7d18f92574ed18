"""The processes of a run: a chain, an IPFS node and three workers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.market.package import write_loadable_package
from benchmarks.market.worker import WorkerUsage, read_usage
from devnet.network.identities import Identity, write_identities
from devnet.processes.anvil import anvil_command, chain_answers, find_anvil
from devnet.processes.ipfs import ipfs_answers, ipfs_command
from devnet.processes.ports import LOOPBACK, free_ports
from devnet.processes.process import Command, Process
from devnet.processes.python import python_environment
from devnet.processes.rpc import ask
from devnet.processes.supervisor import Supervisor
from inference.models.layout import IntegerShape
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.hexadecimal import to_hex
from protocol.market.terms import MarketTerms
from protocol.market.types import ModelId
from protocol.store.ipfs import IpfsStore
from worker.models.publish import publish_model

__all__ = ["BLOCK_SECONDS", "WORKERS", "LoadScene", "scene"]

WORKERS = 3
BLOCK_SECONDS = 1
# So slow a pace that nobody is late, however many jobs wait.
_MS_PER_TOKEN = 30_000
_TERMS = replace(MarketTerms.development(), reveal_window_seconds=600)
_START_SECONDS = 600.0
_SPARE_SEATS = 16
_REQUESTER_TOKENS = 10**12


@dataclass(frozen=True, slots=True)
class LoadScene:
    """What runs.

    Attributes:
        rpc_url: The chain.
        ipfs_api: The IPFS node.
        folder: Files of all.
        deployment: The market.
        model_id: The model that all workers serve.
        requester: Who posts.
    """

    supervisor: Supervisor
    rpc_url: str
    ipfs_api: str
    folder: Path
    deployment: Deployment
    model_id: ModelId
    requester: Identity
    workers: Sequence[Identity]

    def client(self) -> MarketClient:
        """The market with the requester's key."""
        return MarketClient.connect(
            self.rpc_url, self.deployment, self.requester.account
        )

    def usages(self) -> list[WorkerUsage]:
        """What each worker has used."""
        return [read_usage(self._usage_file(one.name)) for one in self.workers]

    def log_events(self, event: str) -> Iterator[dict[str, Any]]:
        """Facts of an event that workers have logged, over all of them."""
        for identity in self.workers:
            path = self.folder / "logs" / f"{identity.name}.log"
            for line in path.read_text(encoding="utf-8").splitlines():
                if f'"event": "{event}"' in line:
                    yield json.loads(line)

    def hire(self, seats: int) -> None:
        """Start the workers; returns when all seats are open."""
        started = [self._start(identity, seats) for identity in self.workers]
        client = self.client()
        _wait(
            self.supervisor,
            "every worker has its seats",
            lambda: all(
                client.account_of(worker.account.address).seats >= seats
                for worker in self.workers
            ),
            *started,
        )

    def _usage_file(self, name: str) -> Path:
        return self.folder / f"{name}.usage"

    def _start(self, identity: Identity, seats: int) -> Process:
        client = MarketClient.connect(self.rpc_url, self.deployment, identity.account)
        client.faucet(seats * client.config.seat_bond)
        settings = {
            "rpc_url": self.rpc_url,
            "ipfs_api": self.ipfs_api,
            "deployment": str(self.folder / "deployment.json"),
            "key_file": str(identity.key_file),
            "data_dir": str(self.folder / identity.name),
            "models": [to_hex(self.model_id)],
            "max_seats": seats,
            "on_stop": "now",
        }
        # One copy on disk is enough for three workers.
        cache = self.folder / identity.name / "models"
        cache.mkdir(parents=True)
        digest = client.spec_of(self.model_id).package_digest
        (cache / digest.hex()).symlink_to(self.folder / "package")
        program = (sys.executable, "-m", "benchmarks.market.worker")
        command = Command(
            identity.name,
            (*program, json.dumps(settings), str(self._usage_file(identity.name))),
            stage=1,
            environment=python_environment(),
            folder=self.folder / identity.name,
        )
        return self.supervisor.start(command)


@contextmanager
def scene(
    folder: Path, shape: IntegerShape, *, max_in_flight: int
) -> Iterator[LoadScene]:
    """Start everything; ends all of it with the block.

    Args:
        folder: An empty folder.
        shape: Of the model package, which is made of random tensors.
        most_in_flight: Jobs that will be in flight at most.
    """
    ports = free_ports(3)
    rpc_url, ipfs_api = (f"http://{LOOPBACK}:{port}" for port in ports[:2])
    identities = write_identities(folder / "keys", workers=WORKERS)
    with Supervisor(folder / "logs") as supervisor:
        _start_services(supervisor, folder, ports, len(identities))
        # At once while everything is put in place, by the second afterwards.
        ask(rpc_url, "evm_setAutomine", True)
        deployer, requester, *workers = identities
        deployment = deploy_market(rpc_url, deployer.account, token=None, terms=_TERMS)
        deployment.save(folder / "deployment.json")
        write_loadable_package(folder / "package", shape)
        model_id = publish_model(
            folder / "package",
            IpfsStore(ipfs_api),
            MarketClient.connect(rpc_url, deployment, deployer.account),
            base_price=1,
            ms_per_token=_MS_PER_TOKEN,
        )
        made = LoadScene(
            supervisor,
            rpc_url,
            ipfs_api,
            folder,
            deployment,
            model_id,
            requester,
            workers,
        )
        client = made.client()
        client.faucet(_REQUESTER_TOKENS)
        client.approve(_REQUESTER_TOKENS)
        # A seat of a job that has just ended cannot be drawn for another yet.
        made.hire(max_in_flight + max_in_flight // 2 + _SPARE_SEATS)
        ask(rpc_url, "evm_setIntervalMining", BLOCK_SECONDS)
        yield made


def _start_services(
    supervisor: Supervisor, folder: Path, ports: Sequence[int], accounts: int
) -> None:
    chain_port, ipfs_port, swarm_port = ports
    rpc_url = f"http://{LOOPBACK}:{chain_port}"
    ipfs_api = f"http://{LOOPBACK}:{ipfs_port}"
    chain = anvil_command(
        find_anvil(),
        port=chain_port,
        block_seconds=BLOCK_SECONDS,
        accounts=accounts,
        folder=folder / "anvil",
    )
    content = ipfs_command(
        port=ipfs_port, swarm_port=swarm_port, repository=folder / "ipfs"
    )
    anvil, node = supervisor.start(chain), supervisor.start(content)
    _wait(supervisor, "the chain", lambda: chain_answers(rpc_url), anvil)
    _wait(supervisor, "IPFS", lambda: ipfs_answers(ipfs_api), node)


def _wait(
    supervisor: Supervisor, what: str, probe: Callable[[], bool], *needs: Process
) -> None:
    supervisor.wait_until(what, probe, _START_SECONDS, needs)
