"""A market with honest workers as processes, and attackers that join them.

The honest ones run `assay worker run`. Jobs of tick 0 reach the seats of two of them,
so that a job of three takes these and whoever attacks; jobs of tick 1 reach the third
one too. Nobody works for bounties but `keeper`, so that all sums are the same in every
run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress

from devnet.processes.python import python_environment
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import save_key
from protocol.hexadecimal import to_hex
from protocol.market.events import ResultCommitted
from protocol.market.terms import MarketTerms
from protocol.market.types import JobId, JobParams, JobState, ModelId
from protocol.store.ipfs import IpfsStore
from requester.client import Client
from requester.jobs.drafts import Terms
from requester.jobs.job import Job
from requester.prompts.decoding import Decoding
from requester.settings import RequesterSettings
from tests.support.machines.processes import MARK, eventually
from tests.support.network.anvil import Anvil, development_account
from worker.models.publish import publish_model

__all__ = ["HONEST", "WORKER", "Program", "Scene", "WorkerProcess", "a_requester"]

KEEPER, REQUESTER = 0, 1
# Two with seats of tick 0, one with a seat of tick 1.
HONEST = (2, 3, 4)
FIRST_ATTACKER = 5
ACCOUNTS = 40
HONEST_TICKS = (0, 0, 1)
# Nobody is late because the machine is busy; whoever has to be late, the clock helps.
TERMS = replace(
    MarketTerms.development(),
    commit_floor_seconds=600,
    reveal_window_seconds=600,
    draw_deadline_blocks=64,
)
# A pace that every worker keeps while the machine is busy.
MS_PER_TOKEN = 50
START_SECONDS = 120.0
STEP_SECONDS = 90.0
PROMPTS = ("It was a fine morning, and", "Anne said nothing, but")

Program = tuple[str, ...]
"""Module and first arguments of a worker; the worker's flags follow."""

WORKER: Program = ("assay.cli", "worker", "run")


@dataclass(slots=True)
class WorkerProcess:
    """A worker that runs, honest or not."""

    index: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> ChecksumAddress:
        return ChecksumAddress(development_account(self.index).address)

    def told(self, event: str) -> list[dict[str, Any]]:
        """What it logged of a kind, oldest first."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        facts = [json.loads(line) for line in lines if line.startswith("{")]
        return [fact for fact in facts if fact.get("event") == event]

    def end(self) -> None:
        """At once: an attacker gets no time to tidy up."""
        self.process.kill()
        self.process.wait()


@dataclass(slots=True)
class Scene:
    """The market and who acts on it."""

    anvil: Anvil
    ipfs_api: str
    folder: Path
    mark: str
    deployment: Deployment
    model_id: ModelId
    keeper: MarketClient
    requester: Client
    store: IpfsStore
    honest: list[WorkerProcess] = field(default_factory=list)
    running: list[WorkerProcess] = field(default_factory=list)
    _indices: count[int] = field(default_factory=lambda: count(FIRST_ATTACKER))
    _seeds: count[int] = field(default_factory=lambda: count(1000, 10))

    @classmethod
    def open(cls, anvil: Anvil, ipfs_api: str, folder: Path, mark: str) -> Scene:
        """Deploy, publish the bundled model, seat the honest workers."""
        deployer = development_account(KEEPER)
        deployment = deploy_market(anvil.url, deployer, token=None, terms=TERMS)
        deployment.save(folder / "deployment.json")
        keeper = MarketClient.connect(anvil.url, deployment, deployer)
        store = IpfsStore(ipfs_api)
        model_id = publish_model(
            BUNDLED_MODEL, store, keeper, ms_per_token=MS_PER_TOKEN
        )
        (folder / "keys").mkdir()
        for index in (REQUESTER, *HONEST):
            save_key(_key_file(folder, index), bytes(development_account(index).key))
        client = a_requester(anvil.url, ipfs_api, folder, model_id)
        client.market.faucet(10**9)
        scene = cls(
            anvil, ipfs_api, folder, mark, deployment, model_id, keeper, client, store
        )
        for index, tick in zip(HONEST, HONEST_TICKS, strict=True):
            scene.client(index).faucet(TERMS.seat_bond)
            scene.honest.append(scene.start(WORKER, index, tick=tick))
        scene.wait_for_seats(scene.honest)
        return scene

    # ---------------------------------------------------------------- who acts

    def client(self, index: int) -> MarketClient:
        account = development_account(index)
        return MarketClient.connect(self.anvil.url, self.deployment, account)

    def new_account(self, money: int) -> int:
        """A fresh account with so many units; its number."""
        index = next(self._indices)
        assert index < ACCOUNTS
        save_key(_key_file(self.folder, index), bytes(development_account(index).key))
        self.client(index).faucet(money)
        return index

    @contextmanager
    def joined(
        self, program: Program, *indices: int, ipfs_api: str | None = None
    ) -> Iterator[list[WorkerProcess]]:
        """Workers of these accounts, with a seat each; ended at the end."""
        newcomers: list[WorkerProcess] = []
        try:
            for index in indices:
                newcomers.append(self.start(program, index, ipfs_api=ipfs_api))
            self.wait_for_seats(newcomers)
            yield newcomers
        finally:
            for newcomer in newcomers:
                newcomer.end()

    def start(
        self,
        program: Program,
        index: int,
        *,
        tick: int = 0,
        ipfs_api: str | None = None,
    ) -> WorkerProcess:
        options = {
            "--rpc-url": self.anvil.url,
            "--deployment": self.folder / "deployment.json",
            "--ipfs-api": ipfs_api or self.ipfs_api,
            "--key-file": _key_file(self.folder, index),
            "--data-dir": self.folder / f"worker-{index}",
            "--model": to_hex(self.model_id),
            "--tick": tick,
            "--poll-seconds": 0.1,
        }
        flags = [str(part) for option in options.items() for part in option]
        command = [sys.executable, "-m", *program, *flags, "--no-keeper", "--json-logs"]
        log = self.folder / f"worker-{index}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**_environment(), MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.running.append(WorkerProcess(index, process, log))
        return self.running[-1]

    def wait_for_seats(self, workers: Sequence[WorkerProcess]) -> None:
        def are_seated() -> bool:
            for worker in workers:
                assert worker.process.poll() is None, worker.log.read_text()
            accounts = (self.keeper.account_of(worker.address) for worker in workers)
            return all(account.seats == 1 for account in accounts)

        assert eventually(are_seated, START_SECONDS)

    def end(self) -> None:
        for worker in self.running:
            worker.end()

    # ---------------------------------------------------------------- jobs

    def post(self, *, redundancy: int = 3, tick: int = 0) -> Job:
        """The honest requester's job; no two have the same results document."""
        draft = self.requester.prepare(
            PROMPTS,
            decoding=Decoding(max_new_tokens=4, seed=next(self._seeds)),
            terms=Terms(redundancy=redundancy, tick=tick),
        )
        return self.requester.post(draft)

    def draw(self, params: JobParams) -> JobId:
        """The committee; every seat that the job can reach is on it."""
        job_id = self.keeper.job_id_of(params)
        self.anvil.mine(2)
        self.keeper.advance(params)
        current = self.keeper.round_of(job_id)
        assert current.state is JobState.COMMITTING, current
        assert all(current.seat_ids[: params.redundancy])
        return job_id

    def wait_for_commits(self, job_id: JobId, workers: Sequence[WorkerProcess]) -> None:
        """Until these have committed."""
        wanted = {worker.address for worker in workers}

        def have_committed() -> bool:
            logs = self.keeper.events(job_id=job_id, kinds=(ResultCommitted,))
            events = (log.event for log in logs)
            done = {e.worker for e in events if isinstance(e, ResultCommitted)}
            return wanted <= done

        self.wait_until(have_committed)

    def wait_for_state(self, job_id: JobId, *states: JobState) -> None:
        self.wait_until(lambda: self.keeper.state_of(job_id) in states)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        assert eventually(condition, STEP_SECONDS), self.last_words()

    def wait_for_reveals(self, job_id: JobId, number: int) -> None:
        """Until so many members have revealed."""
        self.wait_until(
            lambda: self.keeper.round_of(job_id).revealed.bit_count() >= number
        )

    def let_window_pass(self, job_id: JobId) -> None:
        """To the second after the deadline of the running window."""
        left = self.keeper.round_of(job_id).deadline - self.keeper.block_time()
        self.anvil.skip(left + 1)

    def let_half_the_window_pass(self, job_id: JobId) -> None:
        """To where workers give up looking for the prompts."""
        left = self.keeper.round_of(job_id).deadline - self.keeper.block_time()
        self.anvil.skip(left // 2 + 1)

    def end_round(self, params: JobParams) -> JobState:
        """What anybody may do once the window has passed."""
        self.keeper.advance(params)
        return self.keeper.state_of(self.keeper.job_id_of(params))

    def last_words(self) -> str:
        """The ends of all logs, for who looks at a failure."""
        ends = ("\n".join(w.log.read_text().splitlines()[-8:]) for w in self.running)
        return "\n---\n".join(ends)


def _key_file(folder: Path, index: int) -> Path:
    return folder / "keys" / f"{index}.key"


def _environment() -> dict[str, str]:
    return {**os.environ, **python_environment()}


def a_requester(url: str, ipfs_api: str, folder: Path, model_id: ModelId) -> Client:
    """The honest requester's client, behind an IPFS node."""
    settings = RequesterSettings.load(
        rpc_url=url,
        ipfs_api=ipfs_api,
        deployment=folder / "deployment.json",
        key_file=_key_file(folder, REQUESTER),
        model=to_hex(model_id),
        data_dir=folder / "requester",
        poll_seconds=0.05,
        results_timeout_seconds=1,
    )
    return Client.connect(settings)
