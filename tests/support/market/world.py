"""A marketplace in memory, with a model of one id a byte, for tests of the requester.

It keeps the marketplace's rules as far as a requester sees them: who pays what, when
something is due, which events follow. The real contracts run in the integration tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_typing import ChecksumAddress

from protocol.documents.prompts import PromptsDocument
from protocol.documents.results import Finish, Output, ResultsDocument
from protocol.documents.tokenizer import TokenCodec
from protocol.market.types import JobId, JobParams, Outcome, OutcomeStatus
from protocol.store.memory import MemoryStore
from protocol.store.port import ContentStore
from requester.client import Client
from requester.jobs.connections import Connections
from requester.jobs.job import Job
from requester.jobs.tokenizers import TokenizerCache
from requester.prompts.decoding import Decoding
from tests.support.market.fake_job import REQUESTER, FakeClock, a_spec
from tests.support.market.fake_market import FakeMarket
from tests.support.models.tokenizers import byte_tokenizer

__all__ = [
    "GREEDY",
    "REQUESTER",
    "TEXTS",
    "FakeClock",
    "FakeMarket",
    "World",
    "answers",
    "a_spec",
    "honest_outcome",
]

GREEDY = Decoding(max_new_tokens=10, temperature=0)
_MAX_BYTES = 1 << 20
TEXTS = (" is one", " é two", " three")


def answers(
    store: ContentStore, codec: TokenCodec, params: JobParams, texts: Sequence[str]
) -> ResultsDocument:
    """A valid results document that answers with the texts, cut at the limits."""
    outputs = []
    for prompt, text in zip(_prompts(store, params).prompts, texts, strict=True):
        ids = codec.encode(text)[: prompt.max_new_tokens]
        is_full = len(ids) == prompt.max_new_tokens
        finish = Finish.LENGTH if is_full else Finish.STOP
        told = codec.decode_until(ids, prompt.stop)
        outputs.append(Output(finish=finish, ids=ids, logprobs=(), text=told))
    return ResultsDocument.build(params.model_id, params.prompts_digest, outputs)


def honest_outcome(
    store: ContentStore, params: JobParams, document: ResultsDocument
) -> Outcome:
    """What an honest worker claims about the document; its bytes are published."""
    return Outcome(
        status=OutcomeStatus.OK,
        token_count=document.token_count(_prompts(store, params)),
        results_root=document.root(),
        results_digest=store.put(document.to_bytes()),
        fingerprint=bytes(32),
    )


def _prompts(store: ContentStore, params: JobParams) -> PromptsDocument:
    data = store.get(params.prompts_digest, max_bytes=_MAX_BYTES)
    return PromptsDocument.from_bytes(data)


@dataclass(slots=True)
class World:
    """A requester with everything around it."""

    market: FakeMarket
    store: MemoryStore
    clock: FakeClock
    client: Client
    codec: TokenCodec

    @classmethod
    def build(
        cls,
        folder: Path,
        *,
        account: ChecksumAddress | None = REQUESTER,
        spec: dict[str, object] | None = None,
        **market: object,
    ) -> World:
        store = MemoryStore()
        chain = FakeMarket(a_spec(store, **(spec or {})), **market)  # type: ignore[arg-type]
        clock = FakeClock()
        connections = Connections(
            market=chain,
            account=account,
            store=store,
            tokenizers=TokenizerCache(store, folder / "tokenizers"),
            clock=clock,
            poll_seconds=1,
            results_timeout_seconds=5,
            data_dir=folder / "data",
        )
        codec = TokenCodec.from_bytes(byte_tokenizer())
        return cls(chain, store, clock, Client(connections), codec)

    def settled(self, *, liar: bool = False) -> Job:
        """A job of three prompts that was accepted, maybe against a liar's answer."""
        job = self.client.submit(["a", "b", "c"], decoding=GREEDY)
        right = self.outcome(job.params, self.answers(job.params, TEXTS))
        wrong = self.outcome(job.params, self.answers(job.params, TEXTS[::-1]))
        self.answer(job.job_id, right, wrong if liar else right, right)
        return job

    def answers(self, params: JobParams, texts: Sequence[str]) -> ResultsDocument:
        """A valid results document that answers with the texts, cut at the limits."""
        return answers(self.store, self.codec, params, texts)

    def outcome(self, params: JobParams, document: ResultsDocument) -> Outcome:
        """What an honest worker claims about the document; its bytes are published."""
        return honest_outcome(self.store, params, document)

    def split(self, job_id: JobId, *outcomes: Outcome) -> None:
        """A first round whose last member is absent, and nobody agrees."""
        params = self.market.jobs[job_id].params
        self.market.mine(2)
        self.market.advance(params)
        for place, outcome in enumerate(outcomes):
            self.market.commit(job_id, place, outcome)
        self.market.mine(seconds=30)
        for place in range(len(outcomes)):
            self.market.reveal(job_id, place)

    def answer(self, job_id: JobId, *outcomes: Outcome) -> None:
        """Draws the committee and lets it answer, place by place."""
        params = self.market.jobs[job_id].params
        self.market.mine(2)
        self.market.advance(params)
        for place, outcome in enumerate(outcomes):
            self.market.commit(job_id, place, outcome)
        if len(outcomes) == self.market.jobs[job_id].places:
            for place in range(len(outcomes)):
                self.market.reveal(job_id, place)
