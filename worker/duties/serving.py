"""Duties, one step after the other: compute, commit, publish, reveal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress

from protocol.chain.client import MarketClient
from protocol.chain.rpc.receipts import TxReceipt
from protocol.documents.canonical import MAX_DOCUMENT_BYTES
from protocol.errors import StoreError
from protocol.host.crash_points import crash_point
from protocol.market.calls import CommitEntry, RevealEntry
from protocol.market.commitments import commitment, derive_salt
from protocol.market.terms import MarketConfig
from protocol.market.types import (
    JobParams,
    ModelId,
    Outcome,
    OutcomeStatus,
)
from protocol.store.port import ContentStore
from worker.duties.computation import Computed, compute
from worker.duties.publishing import Publishing
from worker.duties.queue import ComputeQueue, Finished
from worker.duties.sending import Outgoing
from worker.duty import Duty, DutyKey, Step, next_step
from worker.gas_policy import GasGuard
from worker.journal.live import Book
from worker.metrics import WorkerMetrics
from worker.models.serve import ServedModel
from worker.process.background import Errands
from worker.rounds.following import Rounds

__all__ = ["Meet", "Serving", "Tools", "meet_nobody"]

logger = logging.getLogger(__name__)

_LONGEST_HOLD_SECONDS = 4.0
_HOLD_PARTS = 5

Meet = Callable[[Iterable[ChecksumAddress]], None]
"""Connects the IPFS node to those of accounts, soon; never waits."""


def meet_nobody(accounts: Iterable[ChecksumAddress]) -> None:
    """For a worker whose IPFS node finds its peers by itself."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What serving works with.

    Attributes:
        client: The chain, and the account that works.
        store: Where prompts are and results go.
        models: The models served.
        secret: What salts are derived from.
        book: Duties and jobs.
        rounds: How they stand on the chain.
        errands: Threads for what takes long.
        queue: Threads that compute.
        guard: Says which jobs are not worth their gas.
        metrics: Told of what happens.
        fetch_share: Part of the commit window spent on fetching prompts, percent.
        meet: Told whose prompts are needed.
    """

    client: MarketClient
    store: ContentStore
    models: Mapping[ModelId, ServedModel]
    secret: bytes
    book: Book
    rounds: Rounds
    errands: Errands
    queue: ComputeQueue
    guard: GasGuard
    metrics: WorkerMetrics
    fetch_share: int
    meet: Meet = meet_nobody


class Serving:
    """Serves the duties of the book. For the loop's thread."""

    def __init__(self, tools: Tools) -> None:
        """Start with nothing under way."""
        self._tools = tools
        self._book = tools.book
        self._declined: set[DutyKey] = set()
        shared: Any = {
            "errands": tools.errands,
            "rounds": tools.rounds,
            "metrics": tools.metrics,
            "hold_seconds": _hold_seconds(tools.client.config),
        }
        self._commits = Outgoing(Step.COMMIT, self._commit_all, **shared)
        self._reveals = Outgoing(Step.REVEAL, self._reveal_all, **shared)
        self._publishing = Publishing(tools.store, tools.errands, tools.metrics)
        # Duties whose next step may be another one since the last look.
        self._changed: set[DutyKey] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a duty is live, or a transaction on its way."""
        in_flight = self._commits.count + self._reveals.count
        return bool(self._book.duties()) or bool(in_flight)

    def collect(self) -> None:
        """Take in what was computed and published since the last call.

        Raises:
            JournalError: It cannot be kept, and will be done again.
        """
        self._keep_published()
        finished = self._tools.queue.collect()
        computed = [(one, one.computed) for one in finished if one.computed is not None]
        for one in finished:
            if one.computed is None:
                self._tools.metrics.step_failed(Step.COMPUTE.value)
                _log("computation failed", one.duty, reason=str(one.error))
        if not computed:
            return
        # All at once: each transaction waits for the disk.
        crash_point("outcome.saving")
        with self._book.transaction():
            for one, result in computed:
                self._book.save_outcome(one.duty, result.outcome, result.results)
        crash_point("outcome.saved")
        for one, result in computed:
            self._note_computed(one, result)

    def look(self, now: int) -> None:
        """Take the next step of every duty.

        Args:
            now: Time of the latest block, Unix seconds.

        Raises:
            RpcUnavailable: The node fails.
        """
        steps = {duty.key: self._serve(duty, now) for duty in self._book.duties()}
        self._changed.clear()
        self._declined &= steps.keys()
        computing = sum(step is Step.COMPUTE for step in steps.values())
        for outgoing in (self._commits, self._reveals):
            wanted = [key for key, step in steps.items() if step is outgoing.step]
            outgoing.keep(wanted, computing=computing)
            outgoing.flush()
        self._publishing.flush()

    def look_at_changed(self, now: int) -> None:
        """The same for duties that were computed or published since the last look."""
        duties = [self._book.duty(key) for key in self._changed]
        self._changed.clear()
        for duty in duties:
            if duty is not None:
                self._serve(duty, now)
        self._commits.flush()
        self._publishing.flush()
        self._reveals.flush()

    def _serve(self, duty: Duty, now: int) -> Step:
        params = self._book.params_of(duty.job_id)
        if params is None or params.model_id not in self._tools.models:
            return Step.WAIT
        current = self._tools.rounds.of(duty.job_id, now)
        step = next_step(duty, current, now)
        self._take_step(step, duty, params, now)
        return step

    def _take_step(self, step: Step, duty: Duty, params: JobParams, now: int) -> None:
        if step is Step.COMPUTE:
            self._compute(duty, params, now)
        elif step is Step.COMMIT:
            self._commits.offer(duty, lambda: self._commit_entry(duty))
        elif step is Step.PUBLISH:
            self._publishing.offer(duty)
        elif step is Step.REVEAL:
            self._reveals.offer(duty, lambda: self._reveal_entry(duty, params))
        elif step is Step.FINISH:
            crash_point("duty.finishing")
            with self._book.transaction():
                self._book.finish_duty(duty)
            crash_point("duty.finished")

    # Computing

    def _compute(self, duty: Duty, params: JobParams, now: int) -> None:
        if self._tools.queue.is_pending(duty.key) or self._is_declined(duty, params):
            return
        window = duty.commit_deadline - duty.drawn_at
        fetch_until = duty.drawn_at + window * self._tools.fetch_share // 100
        model = self._tools.models[params.model_id]
        store = self._tools.store
        self._tools.meet([params.requester])

        def work() -> Computed:
            crash_point("compute.starting")
            try:
                prompts = store.get(params.prompts_digest, max_bytes=MAX_DOCUMENT_BYTES)
            except StoreError as error:
                if now < fetch_until:
                    raise
                # Bytes that cannot be had, or do not match, prove nothing about the
                # requester: unavailable, never invalid.
                outcome = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)
                return Computed(outcome, reason=str(error))
            computed = compute(
                prompts, params, model.spec, engine=model.engine, codec=model.codec
            )
            crash_point("compute.done")
            return computed

        self._tools.queue.submit(duty, work)

    def _is_declined(self, duty: Duty, params: JobParams) -> bool:
        spec = self._tools.models[params.model_id].spec
        if self._tools.guard.is_worth_it(params, spec):
            self._declined.discard(duty.key)
            return False
        if duty.key not in self._declined:
            self._declined.add(duty.key)
            self._tools.metrics.declined("gas")
            _log("declined", duty, reason="gas costs more than pay and penalty")
        return True

    def _note_computed(self, finished: Finished, computed: Computed) -> None:
        tokens = computed.outcome.token_count
        self._changed.add(finished.duty.key)
        self._tools.metrics.duty_computed(tokens, finished.seconds)
        _log(
            "computed",
            finished.duty,
            status=computed.outcome.status.name.lower(),
            tokens=tokens,
            seconds=round(finished.seconds, 3),
            reason=computed.reason,
        )

    # Committing

    def _commit_entry(self, duty: Duty) -> CommitEntry:
        assert duty.outcome is not None
        client = self._tools.client
        value = commitment(
            chain_id=client.chain_id,
            marketplace=client.deployment.marketplace,
            job_id=duty.job_id,
            round_number=duty.round_number,
            worker=client.address,
            outcome=duty.outcome,
            salt=self._salt(duty),
        )
        return CommitEntry(duty.job_id, duty.place, value)

    def _commit_all(self, entries: list[CommitEntry]) -> TxReceipt:
        client = self._tools.client
        crash_point("commit.sending")
        if len(entries) > 1:
            result = client.commit_results(entries)
        else:
            (one,) = entries
            result = client.commit_result(one.job_id, one.place, one.commitment)
        crash_point("commit.mined")
        return result

    def _salt(self, duty: Duty) -> bytes:
        return derive_salt(
            self._tools.secret,
            chain_id=self._tools.client.chain_id,
            marketplace=self._tools.client.deployment.marketplace,
            job_id=duty.job_id,
            round_number=duty.round_number,
        )

    # Publishing and revealing

    def _keep_published(self) -> None:
        published = self._publishing.collect()
        if not published:
            return
        crash_point("publish.saving")
        with self._book.transaction():
            for duty, _ in published:
                self._book.mark_published(duty)
        crash_point("publish.saved")
        for duty, digest in published:
            self._changed.add(duty.key)
            _log("published", duty, results_digest=digest.hex())

    def _reveal_entry(self, duty: Duty, params: JobParams) -> RevealEntry:
        assert duty.outcome is not None
        return RevealEntry(params, duty.place, duty.outcome, self._salt(duty))

    def _reveal_all(self, entries: list[RevealEntry]) -> TxReceipt:
        client = self._tools.client
        crash_point("reveal.sending")
        if len(entries) > 1:
            result = client.reveal_results(entries)
        else:
            (one,) = entries
            result = client.reveal_result(one.params, one.place, one.outcome, one.salt)
        crash_point("reveal.mined")
        return result


def _hold_seconds(config: MarketConfig) -> float:
    """How long entries may gather: a small part of the shortest window."""
    shortest = min(config.commit_floor_seconds, config.reveal_window_seconds)
    return min(_LONGEST_HOLD_SECONDS, shortest / _HOLD_PARTS)


def _log(event: str, duty: Duty, **facts: object) -> None:
    logger.info(event, extra={"job_id": "0x" + duty.job_id.hex(), **facts})
