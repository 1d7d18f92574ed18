"""A worker against a model of the contracts: whatever happens, it keeps its duties.

After each look at the chain every place on a committee whose window is open has its
commitment, and every commitment whose reveal is due has been opened; never are there
two commitments for a round, and never are bytes out before the reveal phase. Jobs come
and go, others act, time passes, the chain is reorganised, and the worker is restarted,
with its journal or without.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from inference.engine import FinishReason, Generation, GenerationRequest, ModelLimits
from protocol.digests import Digest
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.documents.results import ResultsDocument
from protocol.documents.tokenizer import TokenCodec
from protocol.hexadecimal import to_hex
from protocol.market.types import JobId, JobParams, JobState
from protocol.store.memory import MemoryStore
from tests.support.market.model_market import OTHERS, WORKER, ModelMarket
from tests.support.market.sessions import a_session
from tests.support.market.values import a_job, a_model
from tests.support.models.tokenizers import byte_tokenizer
from worker.duties.submission import Salts
from worker.models.loading import ServedModel
from worker.monitoring.presence import Monitor
from worker.run import Worker
from worker.seats.holdings import Holdings
from worker.settings import WorkerSettings

CODEC = TokenCodec.from_bytes(byte_tokenizer())
SPEC = a_model()
MODEL = SPEC.model_id()
SETTLE_SECONDS = 20.0
# After most events the worker looks at once; now and then it misses a few.
LOOKS = st.sampled_from((True, True, False))


class EchoEngine:
    """Answers a prompt with itself."""

    profile = "int-w8b8"
    limits = ModelLimits(vocab_size=256, context_length=64, end_of_text=None)

    def generate(self, requests: Any) -> list[Generation]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: GenerationRequest) -> Generation:
        ids = request.prompt_ids[: request.max_new_tokens]
        return Generation(ids, FinishReason.LENGTH)


class WatchedStore(MemoryStore):
    """Remembers which results were put, and whether it was too early."""

    def __init__(self, market: ModelMarket) -> None:
        super().__init__()
        self._market = market

    def publish_prompts(self, data: bytes) -> Digest:
        return super().put(data)

    def put(self, data: bytes) -> Digest:
        prompts = ResultsDocument.from_bytes(data).prompts_digest
        if self._market.state_by_prompts(prompts) is JobState.COMMITTING:
            self._market.faults.append("published before the reveal phase")
        return super().put(data)


class WorkerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="assay-worker-"))
        self.market = ModelMarket()
        self.store = WatchedStore(self.market)
        self.posted = 0
        self.journals = 0
        self.is_settled = False

    @initialize()
    def start(self) -> None:
        self.worker = self._new_worker()

    def teardown(self) -> None:
        self._close()
        shutil.rmtree(self.folder)

    # ---------------------------------------------------------------- the world

    @rule(redundancy=st.sampled_from((1, 3, 3)), is_drawn=st.booleans(), looks=LOOKS)
    def post(self, redundancy: int, is_drawn: bool, looks: bool) -> None:
        self.posted += 1
        document = PromptsDocument(
            model_id=to_hex(MODEL),
            prompts=(Prompt(ids=(self.posted % 256, 2), max_new_tokens=2),),
        )
        job_id = self.market.post(
            a_job(
                requester=OTHERS[0],
                nonce=self.posted,
                prompts_digest=self.store.publish_prompts(document.to_bytes()),
                prompt_count=1,
                max_tokens=document.max_tokens,
                redundancy=redundancy,
            )
        )
        if is_drawn:
            self.market.draw(job_id, self.posted % redundancy)
        self._happened(looks)

    @precondition(lambda self: self._jobs(JobState.OPEN))
    @rule(data=st.data(), looks=LOOKS)
    def draw(self, data: st.DataObject, looks: bool) -> None:
        job_id = data.draw(st.sampled_from(self._jobs(JobState.OPEN)))
        redundancy = self._params(job_id).redundancy
        self.market.draw(job_id, data.draw(st.integers(0, redundancy - 1)))
        self._happened(looks)

    @precondition(lambda self: self._drawn())
    @rule(data=st.data(), looks=LOOKS)
    def another_acts(self, data: st.DataObject, looks: bool) -> None:
        self.market.other_acts(data.draw(st.sampled_from(self._drawn())))
        self._happened(looks)

    @rule(depth=st.integers(1, 5), looks=LOOKS)
    def reorganise(self, depth: int, looks: bool) -> None:
        self.market.reorganise(depth)
        self._happened(looks)

    @rule(seconds=st.integers(1, 20), looks=LOOKS)
    def pass_time(self, seconds: int, looks: bool) -> None:
        self.market.pass_time(seconds)
        self._happened(looks)

    @precondition(lambda self: self._drawn())
    @rule(data=st.data(), looks=LOOKS)
    def end_window(self, data: st.DataObject, looks: bool) -> None:
        """The window of a job ends, and with it maybe the job."""
        job_id = data.draw(st.sampled_from(self._drawn()))
        self.look()
        left = self.market.current(job_id).deadline - self.market.now
        self.market.pass_time(max(left, 0) + 1)
        self.market.settle(job_id)
        self._happened(looks)

    # ---------------------------------------------------------------- the worker

    @rule()
    def look(self) -> None:
        """Ticks until nothing is under way any more."""
        deadline = time.monotonic() + SETTLE_SECONDS
        quiet = 0
        while quiet < 3:
            head = self.market.head()
            self.worker.tick()
            is_busy = self.worker._queue.count or self.worker._background.count
            is_quiet = not is_busy and self.market.head() == head
            quiet = quiet + 1 if is_quiet else 0
            assert time.monotonic() < deadline, "the worker does not come to rest"
        self.is_settled = True

    @rule(keeps_journal=st.booleans(), looks=LOOKS)
    def restart(self, keeps_journal: bool, looks: bool) -> None:
        self._close()
        self.journals += not keeps_journal
        self.worker = self._new_worker()
        self._happened(looks)

    # ---------------------------------------------------------------- what holds

    @invariant()
    def nothing_is_done_that_no_honest_worker_does(self) -> None:
        assert self.market.faults == []

    @invariant()
    def every_duty_is_kept(self) -> None:
        if not self.is_settled:
            return
        for job_id in self._drawn():
            place, current = self.market.place_of(job_id), self.market.current(job_id)
            if place is None or self.market.now > current.deadline:
                continue
            has_committed = current.committed >> place & 1
            if current.state is JobState.COMMITTING:
                assert has_committed
            elif has_committed:
                assert current.revealed >> place & 1

    # ---------------------------------------------------------------- private

    def _close(self) -> None:
        self.worker.close()

    def _happened(self, looks: bool) -> None:
        self.is_settled = False
        if looks:
            self.look()

    def _jobs(self, *states: JobState) -> list[JobId]:
        known = self.market.job_ids()
        return [one for one in known if self.market.current(one).state in states]

    def _drawn(self) -> list[JobId]:
        return self._jobs(JobState.COMMITTING, JobState.REVEALING)

    def _params(self, job_id: JobId) -> JobParams:
        return self.market.params_of(job_id)

    def _new_worker(self) -> Worker:
        client: Any = self.market
        folder = self.folder / str(self.journals)
        return Worker(
            a_session(client, self.store),
            WorkerSettings.load(keeper=False, data_dir=folder),
            {MODEL: ServedModel(MODEL, SPEC, EchoEngine(), CODEC, 100.0)},
            Salts(b"s" * 32),
            Holdings(client, WORKER),
            Monitor(),
        )


WorkerMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
TestWorkerAgainstAModel = WorkerMachine.TestCase
