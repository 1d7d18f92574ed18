"""The worker's loop: look at the chain, decide, act, and do it again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from inference.engine import Engine
from protocol.calls import CommitEntry, RevealEntry
from protocol.chain.client import MarketClient, TxResult
from protocol.chain.deployment import Deployment
from protocol.chain.events import EntrySkipped
from protocol.chain.keys import load_account, salt_secret
from protocol.chain.reverts import error_name
from protocol.commitments import commitment, derive_salt
from protocol.documents import MAX_DOCUMENT_BYTES
from protocol.errors import (
    ConfigError,
    ContractReverted,
    DigestMismatch,
    MarketError,
    RpcUnavailable,
    StoreError,
)
from protocol.market import JobParams, ModelId, Outcome, OutcomeStatus
from protocol.store.ipfs import IpfsStore
from protocol.store.port import ContentStore
from worker.computation import Computed, compute
from worker.compute_queue import ComputeQueue, Finished
from worker.inbox import Inbox
from worker.journal import Journal
from worker.keeper import Keeper
from worker.key_lock import hold_key
from worker.models import ServedModel, WrapEngine, serve_model
from worker.pipeline import Duty, Step, next_step
from worker.seats import open_missing_seats
from worker.settings import WorkerSettings

__all__ = ["Worker", "run_worker"]

logger = logging.getLogger(__name__)

_RPC_PAUSE_SECONDS = 2.0
# A reveal may cost its round's end too; so many fit a block many times over.
_MOST_AT_ONCE = 16

_Entry = TypeVar("_Entry", CommitEntry, RevealEntry)


def unwrapped(engine: Engine) -> Engine:
    """The engine as it is."""
    return engine


def run_worker(
    settings: WorkerSettings,
    stop: threading.Event,
    *,
    wrap_engine: WrapEngine = unwrapped,
) -> None:
    """Run a worker until `stop` is set.

    Args:
        settings: What to serve, with which key, where.
        stop: Set by the caller's signal handlers.
        wrap_engine: Applied to every engine loaded; for tests of dishonest workers.

    Raises:
        MarketError: It cannot start; the message says why and what to do.
    """
    if not settings.model_ids:
        raise ConfigError("no model to serve: give --model with a model id")
    key_file = settings.require_key_file()
    deployment = Deployment.load(settings.deployment)
    account = load_account(key_file, chain_id=deployment.chain_id)
    with hold_key(key_file):
        client = MarketClient.connect(settings.rpc_url, deployment, account)
        store = IpfsStore(settings.ipfs_api)
        cache = settings.data_dir / "models"
        models = {
            model_id: serve_model(
                client,
                store,
                model_id,
                cache=cache,
                options=settings.engine_options,
                wrap_engine=wrap_engine,
            )
            for model_id in settings.model_ids
        }
        journal = Journal.open(
            _journal_path(settings.data_dir, deployment.marketplace),
            chain_id=deployment.chain_id,
            marketplace=deployment.marketplace,
            worker=client.address,
        )
        try:
            secret = salt_secret(account)
            Worker(client, store, journal, models, secret, settings).run(stop)
        finally:
            journal.close()


def _journal_path(data_dir: Path, marketplace: str) -> Path:
    return data_dir / f"journal-{marketplace.lower()}.sqlite"


class Worker:
    """One key's worker: holds the seats, serves the duties, keeps the jobs moving."""

    def __init__(
        self,
        client: MarketClient,
        store: ContentStore,
        journal: Journal,
        models: Mapping[ModelId, ServedModel],
        secret: bytes,
        settings: WorkerSettings,
    ) -> None:
        """Join the parts; `run` starts the work."""
        self._client = client
        self._store = store
        self._journal = journal
        self._models = models
        self._secret = secret
        self._settings = settings
        self._queue = ComputeQueue()
        self._keeper = Keeper(client)
        self._commits: list[tuple[Duty, CommitEntry]] = []
        self._reveals: list[tuple[Duty, RevealEntry]] = []
        self._inbox = Inbox(client, journal, confirmations=settings.confirmations)

    def run(self, stop: threading.Event) -> None:
        """Open seats and work until `stop` is set."""
        for model in self._models.values():
            seats = open_missing_seats(
                self._client,
                model,
                tick=self._settings.tick,
                max_seats=self._settings.max_seats,
            )
            logger.info(
                "ready",
                extra={
                    "worker": self._client.address,
                    "model_id": "0x" + model.model_id.hex(),
                    "seats": seats,
                },
            )
        while not stop.is_set():
            pause = self._settings.poll_seconds
            try:
                self.tick()
            except RpcUnavailable as error:
                logger.warning("chain unavailable", extra={"reason": str(error)})
                pause = _RPC_PAUSE_SECONDS
            except MarketError as error:
                logger.error("step failed", extra={"reason": str(error)})
            stop.wait(pause)
        logger.info("stopped", extra={"worker": self._client.address})

    def tick(self) -> None:
        """One look at the chain and everything that follows from it."""
        self._commits.clear()
        self._reveals.clear()
        self._inbox.read()
        for finished in self._queue.collect():
            self._take(finished)
        now = self._client.block_time()
        for duty in self._journal.live_duties():
            self._serve(duty, now)
        self._send(self._commits, self._commit_all)
        self._send(self._reveals, self._reveal_all)
        if self._settings.keeper:
            self._keeper.look(self._journal.open_jobs())
            self._keeper.deliver(self._journal.undelivered_jobs())
        self._withdraw()

    # Duties

    def _serve(self, duty: Duty, now: int) -> None:
        params = self._journal.params_of(duty.job_id)
        if params is None or params.model_id not in self._models:
            return
        step = next_step(duty, self._client.round_of(duty.job_id), now)
        try:
            self._take_step(step, duty, params, now)
        except RpcUnavailable:
            raise
        except (ContractReverted, StoreError) as error:
            # The chain moved on, or IPFS is away: the next tick decides anew.
            self._log("step failed", duty, step=step.value, reason=str(error))

    def _take_step(self, step: Step, duty: Duty, params: JobParams, now: int) -> None:
        if step is Step.COMPUTE:
            self._compute(duty, params, now)
        elif step is Step.COMMIT:
            self._commits.append((duty, self._commit_entry(duty)))
        elif step is Step.PUBLISH:
            self._publish(duty)
        elif step is Step.REVEAL:
            self._reveals.append((duty, self._reveal_entry(duty, params)))
        elif step is Step.FINISH:
            self._journal.finish_duty(duty)

    def _compute(self, duty: Duty, params: JobParams, now: int) -> None:
        window = duty.commit_deadline - duty.drawn_at
        fetch_until = duty.drawn_at + window * self._settings.fetch_share // 100
        model = self._models[params.model_id]

        def work() -> Computed:
            try:
                prompts = self._store.get(
                    params.prompts_digest, max_bytes=MAX_DOCUMENT_BYTES
                )
            except StoreError as error:
                if now < fetch_until:
                    raise
                # Bytes that cannot be had, or do not match, prove nothing about the
                # requester: unavailable, never invalid.
                outcome = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)
                return Computed(outcome, reason=str(error))
            return compute(
                prompts, params, model.spec, engine=model.engine, codec=model.codec
            )

        self._queue.submit(duty, work)

    def _take(self, finished: Finished) -> None:
        duty, computed = finished.duty, finished.computed
        if computed is None:
            self._log("computation failed", duty, reason=str(finished.error))
            return
        with self._journal.transaction():
            self._journal.save_outcome(duty, computed.outcome, computed.results)
        self._log(
            "computed",
            duty,
            status=computed.outcome.status.name.lower(),
            tokens=computed.outcome.token_count,
            seconds=round(finished.seconds, 3),
            reason=computed.reason,
        )

    def _commit_entry(self, duty: Duty) -> CommitEntry:
        assert duty.outcome is not None
        value = commitment(
            chain_id=self._client.chain_id,
            marketplace=self._client.deployment.marketplace,
            job_id=duty.job_id,
            round_number=duty.round_number,
            worker=self._client.address,
            outcome=duty.outcome,
            salt=self._salt(duty),
        )
        return CommitEntry(duty.job_id, duty.place, value)

    def _commit_all(self, entries: list[CommitEntry]) -> TxResult:
        if len(entries) > 1:
            return self._client.commit_results(entries)
        (one,) = entries
        return self._client.commit_result(one.job_id, one.place, one.commitment)

    def _publish(self, duty: Duty) -> None:
        assert duty.results is not None and duty.outcome is not None
        digest = self._store.put(duty.results)
        if digest != duty.outcome.results_digest:
            raise DigestMismatch(
                f"the IPFS node stored results under {digest.hex()}, committed was "
                f"{duty.outcome.results_digest.hex()}"
            )
        with self._journal.transaction():
            self._journal.mark_published(duty)
        self._log("published", duty, results_digest=digest.hex())

    def _reveal_entry(self, duty: Duty, params: JobParams) -> RevealEntry:
        assert duty.outcome is not None
        return RevealEntry(params, duty.place, duty.outcome, self._salt(duty))

    def _reveal_all(self, entries: list[RevealEntry]) -> TxResult:
        if len(entries) > 1:
            return self._client.reveal_results(entries)
        (one,) = entries
        return self._client.reveal_result(one.params, one.place, one.outcome, one.salt)

    def _send(
        self,
        waiting: list[tuple[Duty, _Entry]],
        send: Callable[[list[_Entry]], TxResult],
    ) -> None:
        """Send what this tick collected, many jobs in one transaction.

        An entry that does not apply any more is skipped by the contract, or fails by
        itself when it is the only one: the next tick decides anew.
        """
        for start in range(0, len(waiting), _MOST_AT_ONCE):
            batch = waiting[start : start + _MOST_AT_ONCE]
            try:
                result = send([entry for _, entry in batch])
            except ContractReverted as error:
                for duty, _ in batch:
                    self._log("step failed", duty, step="send", reason=str(error))
                continue
            skipped = {
                log.event.job_id: log.event.reason
                for log in result.logs
                if isinstance(log.event, EntrySkipped)
            }
            for duty, entry in batch:
                self._log_sent(duty, entry, result, skipped.get(duty.job_id))

    def _log_sent(
        self,
        duty: Duty,
        entry: CommitEntry | RevealEntry,
        result: TxResult,
        skipped: bytes | None,
    ) -> None:
        done = "committed" if isinstance(entry, CommitEntry) else "revealed"
        if skipped is None:
            self._log(done, duty, tx_hash=result.tx_hash)
        else:
            self._log("skipped", duty, step=done, reason=error_name(skipped))

    def _salt(self, duty: Duty) -> bytes:
        return derive_salt(
            self._secret,
            chain_id=self._client.chain_id,
            marketplace=self._client.deployment.marketplace,
            job_id=duty.job_id,
            round_number=duty.round_number,
        )

    # Money

    def _withdraw(self) -> None:
        """Pay out what exceeds the set amount."""
        limit = self._settings.withdraw_above
        if limit is None:
            return
        excess = self._client.account_of(self._client.address).credit - limit
        if excess <= 0:
            return
        to = self._settings.payee or self._client.address
        result = self._client.withdraw(excess, to)
        logger.info("withdrawn", extra={"amount": excess, "tx_hash": result.tx_hash})

    def _log(self, event: str, duty: Duty, **facts: object) -> None:
        logger.info(event, extra={"job_id": "0x" + duty.job_id.hex(), **facts})
