"""A real chain with a requester's client, where the test plays the workers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from devnet.processes.anvil import Anvil
from protocol.chain.client import MarketClient
from protocol.documents.tokenizer import TokenCodec
from protocol.market.types import JobParams, Outcome
from protocol.store.memory import MemoryStore
from protocol.store.port import ContentStore
from requester.client import Client
from requester.jobs.clock import SystemClock
from requester.jobs.connections import Connections
from requester.jobs.job import Job
from requester.jobs.tokenizers import TokenizerCache
from tests.support.market.world import answers, honest_outcome
from tests.support.models.tokenizers import byte_tokenizer
from tests.support.network.chain import FIRST_WORKER, REQUESTER, Player, Stage

__all__ = ["Network"]

WORKERS = 4
DRAW_DEADLINE_BLOCKS = 8


@dataclass(slots=True)
class Network:
    """A marketplace, its requester and its content store."""

    market: Stage
    store: ContentStore
    client: Client
    codec: TokenCodec

    @classmethod
    def start(
        cls,
        anvil: Anvil,
        folder: Path,
        store: ContentStore | None = None,
        **terms: Any,
    ) -> Network:
        store = store or MemoryStore()
        # Few blocks, because each one that a test lets pass takes its time.
        terms = {"draw_deadline_blocks": DRAW_DEADLINE_BLOCKS} | terms
        market = Stage.deploy(anvil, **terms)
        package = store.put_directory({"tokenizer.json": byte_tokenizer()})
        market.model = replace(market.model, package_digest=package, context_length=128)
        market.client(0).register_model(market.model)
        for index in range(FIRST_WORKER, FIRST_WORKER + WORKERS):
            market.worker(index)
        requester = market.client(REQUESTER)
        requester.faucet(10**9)
        client = cls.connect(market.client(REQUESTER), store, folder)
        return cls(market, store, client, TokenCodec.from_bytes(byte_tokenizer()))

    @staticmethod
    def connect(market: MarketClient, store: ContentStore, folder: Path) -> Client:
        connections = Connections(
            market=market,
            account=market.address,
            store=store,
            tokenizers=TokenizerCache(store, folder / "tokenizers"),
            clock=SystemClock(),
            poll_seconds=0.01,
            results_timeout_seconds=1,
        )
        return Client(connections)

    def expire(self) -> None:
        """Mines past the draw deadline of every job that was posted so far."""
        self.market.anvil.mine(DRAW_DEADLINE_BLOCKS + 3)

    def draw(self, job: Job) -> list[Player]:
        """Mines the seed block, lets the requester draw, returns the committee."""
        self.market.anvil.mine(2)
        assert job.advance()
        last = job.timeline().last_drawn
        assert last is not None and last.drawn is not None
        return self.market.members(last.drawn.event)

    def publish(self, params: JobParams, texts: tuple[str, ...]) -> Outcome:
        """Puts the results document that answers with these texts; its outcome."""
        document = answers(self.store, self.codec, params, texts)
        return honest_outcome(self.store, params, document)

    def answer(self, job: Job, texts: tuple[str, ...]) -> Outcome:
        """The whole committee answers honestly."""
        members = self.draw(job)
        outcome = self.publish(job.params, texts)
        for member in members:
            member.commit(job.job_id, outcome)
        for member in members:
            member.reveal(job.params, outcome)
        return outcome
