"""A worker that is killed between commit and reveal, and comes back.

In a file of its own that runs last: the network's own process of that worker is gone
afterwards.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from devnet.demo.audit import audit
from protocol.market.events import ResultCommitted, ResultRevealed
from protocol.market.types import JobState
from requester.prompts.decoding import Decoding
from tests.e2e.assay_command import Assay
from tests.support.machines.processes import eventually

PROMPTS = (
    "It is a truth universally acknowledged, that",
    "Elizabeth walked across the park, and",
    "Captain Wentworth had not forgiven Anne.",
)
JOB_SECONDS = 120.0
# With a stop string nearly every answer is short, while the commit window is made for
# the whole: time to crash and come back.
LONG = Decoding(max_new_tokens=400, stop=(",", "."), seed=1)


def worker_process(network: Assay, name: str) -> int:
    listed = network.json("status")["processes"]
    return next(int(p["pid"]) for p in listed if p["name"] == name)


@pytest.fixture
def crash_and_restart(network: Assay) -> Iterator[Callable[[str], None]]:
    """Kills a worker of the network and runs it again, as `assay worker run`."""
    state = network.json("status")
    started: list[subprocess.Popen[bytes]] = []

    def restart(name: str) -> None:
        os.kill(worker_process(network, name), signal.SIGKILL)
        options = {
            "--rpc-url": state["rpcUrl"],
            "--ipfs-api": state["ipfsApi"],
            "--deployment": network.folder / ".assay/deployment.json",
            "--key-file": network.folder / f".assay/devnet/keys/{name}.key",
            "--data-dir": network.folder / f".assay/devnet/workers/{name}",
            "--model": state["modelId"],
            "--max-seats": 2,
        }
        flat = [str(part) for option in options.items() for part in option]
        log = (network.folder / f"{name}-again.log").open("wb")
        with log:
            again = subprocess.Popen(
                [sys.executable, "-m", "assay.cli", "worker", "run", *flat],
                env=network.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        started.append(again)

    yield restart
    for process in started:
        process.terminate()
        process.wait(30)


def test_worker_killed_after_its_commit_reveals_after_a_restart(
    network: Assay, crash_and_restart: Callable[[str], None]
) -> None:
    client = network.requester()
    market = client.market
    victim, slow = "worker-1", "worker-3"
    address = address_of(network, victim)
    stopped = worker_process(network, slow)
    # Held back, so that nobody can reveal before the victim has come back.
    os.kill(stopped, signal.SIGSTOP)
    try:
        job = client.submit(PROMPTS, decoding=LONG)

        def has(kind: type[ResultCommitted] | type[ResultRevealed]) -> bool:
            job.advance()
            logs = market.events(job_id=job.job_id, kinds=(kind,))
            events = [log.event for log in logs]
            return any(isinstance(e, kind) and e.worker == address for e in events)

        assert eventually(lambda: has(ResultCommitted), JOB_SECONDS)
        crash_and_restart(victim)
        assert job.state() is JobState.COMMITTING
    finally:
        os.kill(stopped, signal.SIGCONT)
    timeline = job.wait("settled", JOB_SECONDS)
    assert has(ResultRevealed)
    assert timeline.state is JobState.ACCEPTED
    assert timeline.slashed == ()
    assert len(timeline.workers_paid) == 3
    assert audit(market) == []


def address_of(network: Assay, name: str) -> str:
    accounts = network.json("status")["accounts"]
    return next(str(a["address"]) for a in accounts if a["name"] == name)
