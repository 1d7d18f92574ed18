"""A whole job between a requester and a worker that are on different IPFS nodes.

The nodes know nothing of each other at the start. They have only the announcements on
the chain to find each other by, and exchange blocks over the IPFS network protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devnet.network.identities import Identity
from devnet.network.plan import Network, NetworkPlan, WorkerPlan
from devnet.network.start import local_market
from devnet.processes.ipfs import IpfsNode, local_ipfs
from inference.packages.package import BUNDLED_MODEL
from protocol.hexadecimal import to_hex
from protocol.market.events import Announced
from protocol.market.types import ModelId
from requester.client import Client
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from worker.models.publish import publish_from_settings
from worker.settings import WorkerSettings

JOB_SECONDS = 120.0
PROMPT = "It was a fine morning, and"


@dataclass(slots=True)
class Town:
    """A market, and two nodes that have not met; the network's is the requesters'."""

    network: Network
    workers: IpfsNode

    @property
    def requesters(self) -> IpfsNode:
        return self.network.ipfs

    def publish(self, who: Identity, node: IpfsNode) -> ModelId:
        settings = WorkerSettings.load(
            rpc_url=self.network.rpc_url,
            deployment=self.network.folder.deployment_file,
            ipfs_api=node.api,
            key_file=who.key_file,
        )
        return publish_from_settings(BUNDLED_MODEL, settings)

    def requester(self, model_id: ModelId, **changes: Any) -> Client:
        return self.network.requester_client(
            model=to_hex(model_id),
            poll_seconds=0.1,
            **changes,
        )

    @contextmanager
    def worker(self, model_id: ModelId) -> Iterator[None]:
        """A worker process with a seat."""
        flags = ("--ipfs-api", self.workers.api, "--model", to_hex(model_id))
        plan = WorkerPlan(flags=(*flags, "--poll-seconds", 0.1))
        worker = self.network.spare
        process = self.network.start_worker(worker, plan)
        self.network.wait_for_seats([worker], [process])
        yield
        process.kill()

    def announced(self, who: Identity) -> list[str]:
        logs = self.network.client().events(kinds=(Announced,), account=who.address)
        events = [log.event for log in logs]
        return [e.message.decode() for e in events if isinstance(e, Announced)]


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    # Where peers have addresses of this machine only.
    for role in ("WORKER", "REQUESTER"):
        monkeypatch.setenv(f"ASSAY_{role}_PRIVATE_PEERS", "true")
    plan = NetworkPlan(models=(), block_seconds=None)
    with (
        local_market(tmp_path / "network", plan) as network,
        local_ipfs(tmp_path / "workers") as workers,
    ):
        yield Town(network, workers)


def peers(node: IpfsNode) -> list[str]:
    return [peer["Peer"] for peer in node.call("swarm/peers")["Peers"]]


def run_job(client: Client) -> None:
    """From posting to verified results."""
    job = client.submit(
        PROMPT, decoding=Decoding(max_new_tokens=4), terms=Terms(redundancy=1)
    )
    timeline = job.wait("settled", JOB_SECONDS)
    assert timeline.slashed == ()
    (text,) = job.results().texts
    assert text


def test_job_between_two_nodes_worker_comes_to_the_requester(town: Town) -> None:
    """The requester announces; the worker fetches model and prompts from there."""
    model_id = town.publish(town.network.requester, town.requesters)
    client = town.requester(model_id)
    assert peers(town.requesters) == peers(town.workers) == []

    with town.worker(model_id):
        run_job(client)

    # Publishing and posting said the same, once.
    assert town.announced(town.network.requester) == [town.requesters.swarm_address]
    assert peers(town.workers) == [town.requesters.call("id")["ID"]]


def test_job_between_two_nodes_requester_comes_to_the_worker(town: Town) -> None:
    """A requester that nobody can reach connects to those who announce."""
    model_id = town.publish(town.network.gateway, town.workers)
    client = town.requester(model_id, announce="off")
    assert peers(town.requesters) == []

    with town.worker(model_id):
        run_job(client)

    assert town.announced(town.network.requester) == []
    assert town.announced(town.network.spare) == [town.workers.swarm_address]
    assert peers(town.requesters) == [town.workers.call("id")["ID"]]
