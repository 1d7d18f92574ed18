"""A whole job between a requester and a worker that are on different IPFS nodes.

The nodes know nothing of each other at the start. They have only the announcements on
the chain to find each other by, and exchange blocks over the IPFS network protocol.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devnet.processes.python import python_environment
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import save_key
from protocol.hexadecimal import to_hex
from protocol.market.events import Announced
from protocol.market.terms import MarketTerms
from protocol.market.types import ModelId
from requester.client import Client
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.settings import RequesterSettings
from tests.support.machines.processes import eventually
from tests.support.network.anvil import Anvil, development_account
from tests.support.network.ipfs import IpfsNode
from worker.models.publish import publish_from_settings
from worker.settings import WorkerSettings

DEPLOYER, REQUESTER, WORKER, PUBLISHER = range(4)
START_SECONDS = 120.0
JOB_SECONDS = 120.0
PROMPT = "It was a fine morning, and"


@dataclass(slots=True)
class Town:
    """A market, and two nodes that have not met."""

    anvil: Anvil
    folder: Path
    deployment: Deployment
    requesters: IpfsNode
    workers: IpfsNode

    def options(self, index: int, node: IpfsNode) -> dict[str, Any]:
        """Settings of an account behind a node."""
        return {
            "rpc_url": self.anvil.url,
            "deployment": self.folder / "deployment.json",
            "ipfs_api": node.api,
            "key_file": self.folder / f"{index}.key",
            "private_peers": True,
        }

    def market(self, index: int) -> MarketClient:
        account = development_account(index)
        return MarketClient.connect(self.anvil.url, self.deployment, account)

    def publish(self, index: int, node: IpfsNode) -> ModelId:
        settings = WorkerSettings.load(**self.options(index, node))
        return publish_from_settings(BUNDLED_MODEL, settings)

    def requester(self, model_id: ModelId, **changes: Any) -> Client:
        settings = RequesterSettings.load(
            **self.options(REQUESTER, self.requesters) | changes,
            model=to_hex(model_id),
            data_dir=self.folder / "requester",
            poll_seconds=0.1,
        )
        client = Client.connect(settings)
        client.market.faucet(10**9)
        return client

    @contextmanager
    def worker(self, model_id: ModelId) -> Iterator[None]:
        """A worker process with a seat."""
        market = self.market(WORKER)
        market.faucet(market.config.seat_bond)
        given = self.options(WORKER, self.workers) | {
            "data_dir": self.folder / "worker",
            "models": f'["{to_hex(model_id)}"]',
            "poll_seconds": 0.1,
        }
        variables = {f"ASSAY_WORKER_{k.upper()}": str(v) for k, v in given.items()}
        log = self.folder / "worker.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "assay.cli", "worker", "run"],
                cwd=self.folder,
                env={**os.environ, **python_environment(), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            assert eventually(
                lambda: (
                    process.poll() is not None
                    or market.account_of(market.address).seats == 1
                ),
                START_SECONDS,
            )
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.kill()
            process.wait()

    def announced(self, index: int) -> list[str]:
        market = self.market(index)
        logs = market.events(kinds=(Announced,), account=market.address)
        events = [log.event for log in logs]
        return [e.message.decode() for e in events if isinstance(e, Announced)]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with (
        Anvil() as anvil,
        IpfsNode(tmp_path / "requesters") as requesters,
        IpfsNode(tmp_path / "workers") as workers,
    ):
        for index in range(4):
            key = bytes(development_account(index).key)
            save_key(tmp_path / f"{index}.key", key)
        deployment = deploy_market(
            anvil.url,
            development_account(DEPLOYER),
            token=None,
            terms=MarketTerms.development(),
        )
        deployment.save(tmp_path / "deployment.json")
        yield Town(anvil, tmp_path, deployment, requesters, workers)


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
    model_id = town.publish(REQUESTER, town.requesters)
    client = town.requester(model_id)
    assert peers(town.requesters) == peers(town.workers) == []

    with town.worker(model_id):
        run_job(client)

    # Publishing and posting said the same, once.
    assert town.announced(REQUESTER) == [town.requesters.swarm_address]
    assert peers(town.workers) == [town.requesters.call("id")["ID"]]


def test_job_between_two_nodes_requester_comes_to_the_worker(town: Town) -> None:
    """A requester that nobody can reach connects to those who announce."""
    model_id = town.publish(PUBLISHER, town.workers)
    client = town.requester(model_id, announce="off")
    assert peers(town.requesters) == []

    with town.worker(model_id):
        run_job(client)

    assert town.announced(REQUESTER) == []
    assert town.announced(WORKER) == [town.workers.swarm_address]
    assert peers(town.requesters) == [town.workers.call("id")["ID"]]
