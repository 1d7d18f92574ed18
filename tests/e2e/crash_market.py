"""A market whose workers are processes that a test may kill at any point.

One Anvil, one IPFS node and one tiny model package serve all scenes. Each scene
registers the package under a price of its own, so that it has its own roster: its
worker is the only one that can be drawn, and scenes may run at the same time.
"""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from devnet.network.plan import Network, NetworkPlan
from devnet.network.start import local_market
from inference.packages.package import PACKAGE_FILES, read_package
from protocol.chain.keys.accounts import save_key
from protocol.digests import digest_to_cid
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.errors import ContractReverted
from protocol.hexadecimal import to_hex
from protocol.market.events import (
    BountyPaid,
    ResultCommitted,
    ResultRevealed,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.types import ZERO_ADDRESS, JobParams, JobState, ModelSpec, Round
from protocol.store.ipfs import IpfsStore
from tests.support.machines.processes import eventually
from tests.support.machines.worker_server import WorkerProcess, WorkerServer
from tests.support.market.values import a_job
from tests.support.models.packages import write_random_package

__all__ = ["CrashMarket", "Scene"]

BLOCK_SECONDS = 0.5
PATIENCE_SECONDS = 90.0
# Two minutes to commit: as long as a killed worker may need on a busy machine.
MS_PER_TOKEN = 10_000
STAKE = 200_000_000
GAS_MONEY = hex(10**20)
# Nothing is there: its callback fails, which is noted and changes nothing.
CALLBACK = "0x00000000000000000000000000000000000000Fe"


@dataclass(slots=True)
class CrashMarket:
    """What all scenes share."""

    network: Network
    server: WorkerServer
    folder: Path
    spec: ModelSpec
    _mining: threading.Lock = field(default_factory=threading.Lock)
    _prices: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    @contextmanager
    def start(cls, folder: Path) -> Iterator[CrashMarket]:
        plan = NetworkPlan(
            models=(), block_seconds=None, ipfs_options=("--fetch-seconds", 5)
        )
        with local_market(folder, plan) as network, WorkerServer() as server:
            spec = publish_tiny_package(folder / "package", network.ipfs_api)
            market = cls(network, server, folder, spec)
            with market._blocks():
                yield market

    def account(self, name: str) -> LocalAccount:
        """A new account with money for gas, its key in a file."""
        account: LocalAccount = Account.from_key(secrets.token_bytes(32))
        save_key(self.folder / f"{name}.key", bytes(account.key))
        self.network.chain.rpc("anvil_setBalance", account.address, GAS_MONEY)
        return account

    def model(self) -> ModelSpec:
        """The package once more, under another id."""
        spec = replace(self.spec, base_price=next(self._prices))
        network = self.network
        network.client(network.deployer.account).register_model(spec)
        return spec

    @contextmanager
    def no_blocks(self) -> Iterator[None]:
        """Nothing is mined inside; transactions wait."""
        with self._mining:
            self.network.chain.rpc("evm_setAutomine", False)
            try:
                yield
            finally:
                self.network.chain.rpc("evm_setAutomine", True)
                self.network.chain.mine()

    @contextmanager
    def _blocks(self) -> Iterator[None]:
        """Blocks also when nobody sends a transaction, which are mined at once."""
        ended = threading.Event()

        def mine() -> None:
            while not ended.wait(BLOCK_SECONDS):
                with self._mining:
                    self.network.chain.mine()

        thread = threading.Thread(target=mine)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def publish_tiny_package(folder: Path, ipfs_api: str) -> ModelSpec:
    """A random model of a few kilobytes on IPFS; its spec, not yet registered."""
    shape = write_random_package(folder)
    files = {name: (folder / name).read_bytes() for name in PACKAGE_FILES}
    return ModelSpec(
        package_digest=IpfsStore(ipfs_api).put_directory(files),
        weights_root=read_package(folder).weights_root(),
        profile=shape.profile.name.encode().ljust(32, b"\0"),
        vocab_size=shape.vocab_size,
        context_length=shape.context_length,
        ms_per_token=MS_PER_TOKEN,
        base_price=1,
    )


class Scene:
    """One worker, one requester and their jobs, in a folder of their own."""

    def __init__(
        self,
        market: CrashMarket,
        name: str,
        spec: ModelSpec | None = None,
        **settings: Any,
    ) -> None:
        self.market = market
        self.name = name
        self._settings = settings
        self._runs = itertools.count(1)
        self.spec = spec or market.model()
        self.account = market.account(name)
        self.worker = market.network.client(self.account)
        self.worker.faucet(STAKE)
        self.requester = market.network.client(market.account(f"{name}-requester"))
        self.requester.faucet(STAKE)
        self.requester.approve(STAKE)

    @property
    def data_dir(self) -> Path:
        return self.market.folder / self.name

    def run(self, crash_at: str | None = None, **settings: Any) -> WorkerProcess:
        """The worker's process, the next of its life."""
        log = self.market.folder / f"{self.name}-{next(self._runs)}.log"
        flags: dict[str, Any] = {
            "rpc_url": self.market.network.rpc_url,
            "ipfs_api": self.market.network.ipfs_api,
            "deployment": self.market.network.folder.deployment_file,
            "key_file": self.market.folder / f"{self.name}.key",
            "data_dir": self.data_dir,
            "models": [to_hex(self.spec.model_id())],
            "poll_seconds": 0.05,
            "withdraw_above": 0,
            "keeper": False,
            "on_stop": "now",
        }
        given = flags | self._settings | settings
        return self.market.server.start(given, log, crash_at=crash_at)

    def post(self, nonce: int = 1, redundancy: int = 1) -> JobParams:
        """A small job that only workers of this scene's model can serve."""
        document = PromptsDocument(
            model_id=to_hex(self.spec.model_id()),
            prompts=(Prompt(ids=(1, 2, 3), max_new_tokens=8, seed=nonce),),
        )
        params = a_job(
            requester=self.requester.address,
            nonce=nonce,
            model_id=self.spec.model_id(),
            prompts_digest=IpfsStore(self.market.network.ipfs_api).put(
                document.to_bytes()
            ),
            prompt_count=1,
            max_tokens=document.max_tokens,
            redundancy=redundancy,
            callback=CALLBACK if self._has_keeper else ZERO_ADDRESS,
            callback_gas_limit=50_000 if self._has_keeper else 0,
        )
        self.requester.post_job(params)
        return params

    def await_seats(self) -> None:
        assert eventually(lambda: self.seats() > 0, PATIENCE_SECONDS), "no seat"

    def seats(self) -> int:
        return self.worker.account_of(self.worker.address).seats

    def await_end(self, params: JobParams) -> None:
        """Until the job is accepted and its pay withdrawn; delivered, with a keeper."""

        def has_ended() -> bool:
            current = self._round(params)
            is_done = current.is_delivered or not self._has_keeper
            is_paid_out = self.worker.account_of(self.worker.address).credit == 0
            return current.state.is_final and is_done and is_paid_out

        self.advance_until(params, has_ended)
        assert self._round(params).state is JobState.ACCEPTED

    def advance_until(self, params: JobParams, is_reached: Callable[[], bool]) -> None:
        """Draws when it is time to, unless the worker does, until something is so."""

        def look() -> bool:
            self.advance(params)
            return is_reached()

        assert eventually(look, PATIENCE_SECONDS), self._round(params)

    def advance(self, params: JobParams) -> None:
        """Draws if it is time to, unless the worker does."""
        current = self._round(params)
        if current.state is not JobState.OPEN or self._has_keeper:
            return
        if self.requester.block_number() >= current.seed_block:
            with suppress(ContractReverted):
                self.requester.advance(params)

    def results_cid(self, params: JobParams) -> str:
        """Where the results were published."""
        job_id = self.worker.job_id_of(params)
        (log,) = self.worker.events(job_id=job_id, kinds=(ResultRevealed,))
        assert isinstance(log.event, ResultRevealed)
        return digest_to_cid(log.event.outcome.results_digest)

    def _round(self, params: JobParams) -> Round:
        return self.worker.round_of(self.worker.job_id_of(params))

    @property
    def _has_keeper(self) -> bool:
        return bool(self._settings.get("keeper"))

    def check_books(self, params: JobParams) -> None:
        """One commitment, one reveal, one seat, no unit lost or spent twice."""
        job_id = self.worker.job_id_of(params)
        kinds = [type(log.event) for log in self.worker.events(job_id=job_id)]
        assert kinds.count(ResultCommitted) == kinds.count(ResultRevealed) == 1, kinds
        assert SeatSlashed not in kinds
        record = self.worker.account_of(self.worker.address)
        assert (record.completed, record.missed, record.slashed) == (1, 0, 0)
        assert self.seats() == 1
        # Bounties for others' jobs too.
        logs = self.worker.events(kinds=(WorkerPaid, BountyPaid))
        earned = sum(_earned(log.event, self.worker.address) for log in logs)
        bond = self.worker.config.seat_bond
        held = self.worker.token_balance(self.worker.address)
        assert held + record.credit + bond == STAKE + earned


def _earned(event: object, worker: str) -> int:
    is_own = worker in (getattr(event, "worker", None), getattr(event, "caller", None))
    return int(getattr(event, "amount", 0)) if is_own else 0
