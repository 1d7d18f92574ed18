"""A worker in this process, on a real chain, with the bundled model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from devnet.network.variants import WrappedEngine
from devnet.processes.anvil import Anvil, development_account
from inference.engine import Engine, Generation, GenerationRequest
from inference.packages.package import BUNDLED_MODEL
from protocol.chain.client import MarketClient
from protocol.chain.keys.accounts import salt_secret
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.hexadecimal import to_hex
from protocol.market.events import Log
from protocol.market.types import JobParams
from protocol.store.memory import MemoryStore
from protocol.store.unixfs import file_digest
from tests.support.machines.processes import eventually
from tests.support.market.sessions import a_session
from tests.support.network.chain import WORKER_STAKE, Stage
from worker.duties.submission import Salts
from worker.models.loading import ServedModel, serve_model
from worker.models.publish import publish_model
from worker.monitoring.presence import Monitor
from worker.run import Worker
from worker.seats.holdings import Holdings
from worker.seats.opening import open_missing_seats
from worker.settings import EngineOptions, WorkerSettings

REAL_WORKER = 2
PATIENCE_TICKS = 2_000
ENGINE_OPTIONS = EngineOptions(
    threads=1, backend="auto", cache_bytes=2**28, prefill_rows=128
)


@dataclass(slots=True)
class CountingEngine(WrappedEngine):
    """Counts the batches that an honest engine was given."""

    batches: int = 0

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        self.batches += 1
        return list(self.honest.generate(requests))


@dataclass(slots=True)
class Bench:
    """A market with a published model, and workers to be made and lost on it."""

    market: Stage
    store: MemoryStore
    requester: MarketClient
    model: ServedModel
    engine: CountingEngine
    folder: Path
    prompts: PromptsDocument = field(init=False)

    def __post_init__(self) -> None:
        ids = self.model.codec.encode("It was a fine morning, and")
        self.prompts = PromptsDocument(
            model_id=to_hex(self.model.model_id),
            prompts=(Prompt(ids=ids, max_new_tokens=4),),
        )

    def worker(
        self,
        index: int = REAL_WORKER,
        *,
        data: str = "data",
        model: ServedModel | None = None,
        **settings: Any,
    ) -> Worker:
        """A worker process of an account, with a data folder of its own or not."""
        client, model = self.market.client(index), model or self.model
        return Worker(
            a_session(client, self.store),
            WorkerSettings.load(data_dir=self.folder / data, **settings),
            {model.model_id: model},
            Salts(salt_secret(development_account(index))),
            Holdings(client, client.address),
            Monitor(),
        )

    def journal_path(self) -> Path:
        """Where a worker keeps its journal unless told otherwise."""
        settings = WorkerSettings.load(data_dir=self.folder / "data")
        return settings.journal_path(self.market.deployment.marketplace)

    def take_seat(self, index: int = REAL_WORKER) -> None:
        """Give an account a seat of the model."""
        client = self.market.client(index)
        client.faucet(WORKER_STAKE)
        holdings = Holdings(client, client.address)
        open_missing_seats(client, holdings, self.model, tick=0, max_seats=1)

    def seated_worker(self, **settings: Any) -> Worker:
        self.take_seat()
        return self.worker(**settings)

    def post(self, **changes: object) -> JobParams:
        """Post the prompts as a job, whether or not they are in the store."""
        given = {
            "prompts_digest": file_digest(self.prompts.to_bytes()),
            "prompt_count": 1,
            "max_tokens": self.prompts.max_tokens,
            "redundancy": 1,
        }
        params = self.market.job(self.requester, **(given | changes))
        self.requester.post_job(params)
        return params


def await_logs(client: MarketClient, count: int, **which: Any) -> list[Log]:
    """So many events; Anvil shows its state a moment before the block with them."""
    found: list[Log] = []

    def are_there() -> bool:
        found[:] = client.events(**which)
        return len(found) >= count

    assert eventually(are_there, 10), found
    return found


def tick_until(worker: Worker, is_reached: Callable[[], bool]) -> None:
    """Let the worker look and act until something is so; every tick asks the chain."""
    for _ in range(PATIENCE_TICKS):
        worker.tick()
        if is_reached():
            return
    raise AssertionError("the worker did not get there")


@pytest.fixture
def bench(anvil: Anvil, tmp_path: Path) -> Bench:
    market = Stage.deploy(anvil)
    store = MemoryStore()
    model_id = publish_model(BUNDLED_MODEL, store, market.client(0))
    requester = market.requester()
    market.model = requester.spec_of(model_id)
    counting: list[CountingEngine] = []

    def count(engine: Engine) -> Engine:
        counting.append(CountingEngine(engine))
        return counting[0]

    model = serve_model(
        requester,
        store,
        model_id,
        cache=tmp_path / "models",
        options=ENGINE_OPTIONS,
        wrap_engine=count,
    )
    counting[0].batches = 0
    return Bench(market, store, requester, model, counting[0], tmp_path)
