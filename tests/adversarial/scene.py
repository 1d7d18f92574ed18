"""A market with honest workers as processes, and attackers that join them.

The honest ones run `assay worker run`. Jobs of tick 0 reach the seats of two of them,
so that a job of three takes these and whoever attacks; jobs of tick 1 reach the third
one too. Nobody works for bounties but `keeper`, so that all sums are the same in every
run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress

from devnet.network.identities import Identity, write_identity
from devnet.network.plan import Network, NetworkPlan, WorkerPlan
from devnet.network.start import local_market
from devnet.processes.anvil import Anvil
from devnet.processes.process import Process
from protocol.chain.client import MarketClient
from protocol.market.events import ResultCommitted
from protocol.market.terms import MarketTerms
from protocol.market.types import JobId, JobParams, JobState
from protocol.store.ipfs import IpfsStore
from requester.client import Client
from requester.jobs.drafts import Terms
from requester.jobs.job import Job
from requester.prompts.decoding import Decoding
from tests.support.machines.processes import eventually

__all__ = ["WORKER", "Program", "Scene", "WorkerProcess"]

ACCOUNTS = 33
# Nobody is late because the machine is busy; whoever has to be late, the clock helps.
TERMS = replace(
    MarketTerms.development(),
    commit_floor_seconds=600,
    reveal_window_seconds=600,
    draw_deadline_blocks=64,
)
STEP_SECONDS = 90.0
PROMPTS = ("It was a fine morning, and", "Anne said nothing, but")

Program = tuple[str, ...]
"""Module and first arguments of a worker; the worker's flags follow."""

WORKER: Program = WorkerPlan().program


def a_worker(program: Program, *flags: object, tick: int = 0) -> WorkerPlan:
    """One that does nothing but its own jobs, which it looks for often."""
    given = ("--tick", tick, "--poll-seconds", 0.1, "--no-keeper")
    return WorkerPlan(program=program, flags=(*given, *flags))


PLAN = NetworkPlan(
    # Two with seats of tick 0, one with a seat of tick 1.
    workers=tuple(a_worker(WORKER, tick=tick) for tick in (0, 0, 1)),
    # A pace that every worker keeps while the machine is busy.
    ms_per_token=50,
    terms=TERMS,
    block_seconds=None,
    # What is not there is soon known, since there is no other node to ask.
    ipfs_options=("--fetch-seconds", 1),
    accounts=ACCOUNTS,
    worker_tokens=TERMS.seat_bond,
)


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A worker that runs, honest or not."""

    identity: Identity
    process: Process

    @property
    def address(self) -> ChecksumAddress:
        return self.identity.address

    def told(self, event: str) -> list[dict[str, Any]]:
        """What it logged of a kind, oldest first."""
        return self.process.facts(event)

    def end(self) -> None:
        """At once: an attacker gets no time to tidy up."""
        self.process.kill()


@dataclass(slots=True)
class Scene:
    """The market and who acts on it."""

    network: Network
    keeper: MarketClient
    requester: Client
    store: IpfsStore
    _accounts: dict[int, Identity] = field(default_factory=dict)
    _seeds: count[int] = field(default_factory=lambda: count(1000, 10))

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Scene]:
        """Deploy, publish the bundled model, seat the honest workers."""
        with local_market(folder, PLAN) as network:
            keeper = network.client(network.deployer.account)
            store = IpfsStore(network.ipfs_api)
            scene = cls(network, keeper, a_requester(network, network.ipfs_api), store)
            yield scene

    # ---------------------------------------------------------------- who acts

    @property
    def anvil(self) -> Anvil:
        return self.network.chain

    @property
    def honest(self) -> list[WorkerProcess]:
        pairs = zip(self.network.workers, self.network.worker_processes, strict=True)
        return [WorkerProcess(*pair) for pair in pairs]

    def client(self, index: int) -> MarketClient:
        return self.network.client(self._accounts[index].account)

    def new_account(self, money: int) -> int:
        """A fresh account with so many units; its number."""
        index = len(self.network.identities) + len(self._accounts)
        keys = self.network.folder.keys
        self._accounts[index] = write_identity(keys, f"account-{index}", index)
        self.client(index).faucet(money)
        return index

    @contextmanager
    def joined(
        self, program: Program, *indices: int, ipfs_api: str | None = None
    ) -> Iterator[list[WorkerProcess]]:
        """Workers of these accounts, with a seat each; ended at the end."""
        flags = () if ipfs_api is None else ("--ipfs-api", ipfs_api)
        plan = a_worker(program, *flags)
        accounts = [self._accounts[index] for index in indices]
        processes = [self.network.start_worker(one, plan) for one in accounts]
        try:
            self.network.wait_for_seats(accounts, processes)
            yield [
                WorkerProcess(*pair) for pair in zip(accounts, processes, strict=True)
            ]
        finally:
            for process in processes:
                process.kill()

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
        processes = self.network.supervisor.processes
        return "\n---\n".join("\n".join(one.tail(8)) for one in processes)


def a_requester(network: Network, ipfs_api: str) -> Client:
    """The honest requester's client, behind an IPFS node."""
    return network.requester_client(
        ipfs_api=ipfs_api, poll_seconds=0.05, results_timeout_seconds=1
    )
