"""One job's next step: posted, followed, its outputs handed out, its cost settled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.database.engine import Database
from gateway.jobs import job_records as records
from gateway.jobs.market_access import MarketAccess, persist
from gateway.jobs.sharing import Bill
from gateway.jobs.tables import CallFault, GatewayJobRow, SharedJobStage
from protocol.errors import (
    ContractReverted,
    JobNotFound,
    MarketError,
    OutboxError,
    ProtocolError,
    RequestError,
    RpcUnavailable,
    StoreError,
    TransactionDropped,
)
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point
from protocol.market.events import Entry, JobPosted
from protocol.market.prices import price_of, text_price
from protocol.market.timeline import Timeline
from protocol.market.types import JobId, JobState
from requester.jobs.job import CANNOT_PAY, Job
from requester.jobs.posting import publish

__all__ = ["JobMeter", "JobRunner"]

_log = logging.getLogger(__name__)

_BAD_GATEWAY = 502
_UNAVAILABLE = 503
# A transaction that has not been mined by then never will be: its nonce is taken.
_FORGET_SECONDS = 3_600.0


class JobMeter(Protocol):
    """Who counts jobs."""

    def note_posting(self, prompts: int, gas_used: int) -> None:
        """A job was posted."""
        ...

    def note_stage(self, stage: str, cost: int = 0) -> None:
        """A job came to a stage; what it cost, units."""
        ...


class JobRunner:
    """Moves jobs on; each step may be repeated, by anyone, after any crash."""

    def __init__(
        self,
        access: MarketAccess,
        database: Database,
        *,
        confirmations: int,
        patience_seconds: float,
        results_patience_seconds: float,
        wake: Callable[[Sequence[str]], None],
        meter: JobMeter,
    ) -> None:
        """Join the parts.

        Args:
            access: The market and the wallet.
            database: Calls and jobs.
            confirmations: Blocks that must lie above one before it counts.
            patience_seconds: How long a posting may be in doubt before its callers are
                told that nothing came of it.
            results_patience_seconds: How long accepted results may be out of reach.
            wake: Told which calls have moved on.
            meter: Counts.
        """
        self._access = access
        self._database = database
        self._confirmations = confirmations
        self._patience = patience_seconds
        self._results_patience = results_patience_seconds
        self._wake = wake
        self._meter = meter
        self._doubts: dict[JobId, float] = {}

    def step(self, job: GatewayJobRow) -> None:
        """Do what is next for a job, if anything is.

        Raises:
            MarketError: It could not be done now; the same step is next again.
        """
        match job.stage:
            case SharedJobStage.DRAFTED:
                self._prepare(job)
            case SharedJobStage.POSTING:
                self._post(job)
            case SharedJobStage.POSTED:
                self._follow(job)
            case SharedJobStage.ACCEPTED:
                self._settle(job)
            case _:
                self._watch(job)

    # ---------------------------------------------------------------- posting

    def _prepare(self, job: GatewayJobRow) -> None:
        try:
            persist(lambda: self._make_ready(job))
        except (MarketError, OSError) as error:
            # Nothing was sent, so nothing is in doubt.
            _log.warning("not posted", extra=_facts(job, reason=str(error)))
            self._end(job, SharedJobStage.FORGOTTEN, _not_posted(error), cost=0)
            return
        if self._database.write(lambda s: records.mark_posting(s, job.job_id)):
            crash_point("gateway.posting")
            self._send(job)

    def _post(self, job: GatewayJobRow) -> None:
        """Once more: it is not known whether an earlier try landed."""
        posting = self._access.find_posting(job.job_id)
        if posting is not None:
            self._note_posting(job, posting, None)
            return
        self._store(job)
        self._send(job)

    def _make_ready(self, job: GatewayJobRow) -> None:
        self._access.require_funds(job.escrowed)
        self._access.allow(job.escrowed)
        self._store(job)

    def _store(self, job: GatewayJobRow) -> None:
        if job.content is None:
            raise RequestError("the job's prompts are gone")
        self._access.announce()
        publish(self._access.store, job.params.prompts_digest, job.content)

    def _send(self, job: GatewayJobRow) -> None:
        is_first = job.stage == SharedJobStage.DRAFTED
        try:
            result = self._access.market.post_job(job.params)
        except (ContractReverted, *CANNOT_PAY) as error:
            self._explain_refusal(job, error, is_first)
            return
        except (OutboxError, RpcUnavailable, TransactionDropped) as error:
            self._doubt(job, error)
            return
        crash_point("gateway.posted")
        posting = Timeline.of(job.job_id, result.logs).posted
        self._note_posting(job, posting, result.gas_used)

    def _explain_refusal(
        self, job: GatewayJobRow, error: MarketError, is_first: bool
    ) -> None:
        posting = self._access.find_posting(job.job_id)
        if posting is not None:
            self._note_posting(job, posting, None)
        elif isinstance(error, ContractReverted) and error.name == "JobAlreadyPosted":
            # Sent before and not mined yet.
            self._doubt(job, error)
        else:
            stage = SharedJobStage.FORGOTTEN if is_first else SharedJobStage.ABANDONED
            cost = 0 if is_first else None
            self._end(job, stage, _not_posted(error), cost=cost)

    def _doubt(self, job: GatewayJobRow, error: MarketError) -> None:
        began = self._doubts.setdefault(job.job_id, time.monotonic())
        _log.warning("posting in doubt", extra=_facts(job, reason=str(error)))
        if time.monotonic() - began >= self._patience:
            del self._doubts[job.job_id]
            self._end(job, SharedJobStage.ABANDONED, _not_posted(error), cost=None)

    def _note_posting(
        self, job: GatewayJobRow, posting: Entry[JobPosted], gas_used: int | None
    ) -> None:
        self._doubts.pop(job.job_id, None)
        block = posting.log.block_number
        self._database.write(
            lambda s: records.mark_posted(s, job.job_id, block, gas_used)
        )
        if gas_used is not None:
            self._meter.note_posting(job.params.prompt_count, gas_used)
        facts = {"prompts": job.params.prompt_count, "block": block}
        _log.info("posted", extra=_facts(job, **facts))

    # ---------------------------------------------------------------- following

    def _follow(self, job: GatewayJobRow) -> None:
        found = self._find(job)
        if found is None:
            return
        posted, timeline = found
        if timeline.accepted is not None:
            if self._is_deep(timeline.accepted.log.block_number):
                self._hand_out(job, posted, timeline)
            return
        if timeline.state.is_final:
            fault = CallFault(_BAD_GATEWAY, _why_failed(job, timeline))
            cost = _bill(self._access, job, timeline).cost
            self._end(job, SharedJobStage.FAILED, fault, cost=cost)
            return
        posted.move()

    def _hand_out(self, job: GatewayJobRow, posted: Job, timeline: Timeline) -> None:
        try:
            results = posted.results()
        except (StoreError, JobNotFound) as error:
            if time.time() - job.changed_at < self._results_patience:
                raise
            self._end_unread(job, timeline, error)
            return
        except (ProtocolError, RequestError) as error:
            self._end_unread(job, timeline, error)
            return
        answered = self._database.write(
            lambda s: records.mark_accepted(s, job.job_id, results.outputs)
        )
        _log.info("accepted", extra=_facts(job, calls=len(answered)))
        self._meter.note_stage(SharedJobStage.ACCEPTED)
        crash_point("gateway.accepted")
        self._wake(answered)
        if timeline.settled is not None:
            self._charge(job, timeline)

    def _end_unread(
        self, job: GatewayJobRow, timeline: Timeline, error: MarketError
    ) -> None:
        """The market accepted results that cannot be used: the gateway bears them."""
        if timeline.settled is None:
            self._access.job(timeline.posted).move()
            return
        fault = CallFault(_BAD_GATEWAY, f"the job's results cannot be used: {error}")
        self._end(
            job,
            SharedJobStage.FAILED,
            fault,
            cost=_bill(self._access, job, timeline).cost,
        )

    def _settle(self, job: GatewayJobRow) -> None:
        found = self._find(job)
        if found is None:
            return
        posted, timeline = found
        settled = timeline.settled
        if settled is None:
            posted.move()
        elif self._is_deep(settled.log.block_number):
            self._charge(job, timeline)

    def _charge(self, job: GatewayJobRow, timeline: Timeline) -> None:
        settled = timeline.settled
        if settled is None or not self._is_deep(settled.log.block_number):
            return
        bill = _bill(self._access, job, timeline)
        if self._database.write(lambda s: records.mark_settled(s, job.job_id, bill)):
            self._meter.note_stage(SharedJobStage.SETTLED, bill.cost)
            _log.info("settled", extra=_facts(job, cost=bill.cost))
        crash_point("gateway.settled")

    def _watch(self, job: GatewayJobRow) -> None:
        """An abandoned job: its callers have their money back, the gateway pays."""
        posting = self._access.find_posting(job.job_id)
        if posting is None:
            if time.time() - job.changed_at >= _FORGET_SECONDS:
                self._database.write(lambda s: records.forget(s, job.job_id))
            return
        posted = self._access.job(posting)
        timeline = posted.timeline()
        if timeline.state.is_final:
            bill = _bill(self._access, job, timeline)
            self._database.write(lambda s: records.mark_settled(s, job.job_id, bill))
        else:
            posted.move()

    # ---------------------------------------------------------------- shared

    def _find(self, job: GatewayJobRow) -> tuple[Job, Timeline] | None:
        """The job's history; None, and the job posted again, if the chain lost it."""
        logs = self._access.market.events(
            job_id=job.job_id, from_block=job.posted_block
        )
        try:
            timeline = Timeline.of(job.job_id, logs)
        except JobNotFound:
            # Reorganised away, perhaps into another block.
            _log.warning("posting vanished", extra=_facts(job))
            if job.content is not None:
                self._post(job)
            return None
        return self._access.job(timeline.posted), timeline

    def _is_deep(self, block: int) -> bool:
        if self._confirmations == 0:
            return True
        return block + self._confirmations <= self._access.market.block_number()

    def _end(
        self,
        job: GatewayJobRow,
        stage: SharedJobStage,
        fault: CallFault,
        *,
        cost: int | None,
    ) -> None:
        ended = self._database.write(
            lambda s: records.end_without_answer(s, job.job_id, stage, fault, cost=cost)
        )
        self._meter.note_stage(stage, cost or 0)
        _log.warning(
            "ended without an answer",
            extra=_facts(job, stage=stage.value, reason=fault.message),
        )
        self._wake(ended)


def _bill(access: MarketAccess, job: GatewayJobRow, timeline: Timeline) -> Bill:
    settled = timeline.settled
    if settled is None:
        return Bill(paid=0, fee=0, token_price=0)
    price = price_of(access.spec_of(job.params.model_id), job.params.tick)
    pays = [entry.event.amount for entry in timeline.workers_paid]
    token_price = text_price(access.market.config, price, pays)
    return Bill(settled.event.paid, settled.event.fee, token_price)


def _not_posted(error: Exception) -> CallFault:
    """Why a job was not posted, in words for its callers."""
    if isinstance(error, ContractReverted):
        is_passing = error.rule.is_retryable
        status = _UNAVAILABLE if is_passing else error.rule.http_status
        return CallFault(status, f"the market refuses the job: {error}")
    if isinstance(error, CANNOT_PAY):
        # The wallet's address and balance are the operator's business.
        return CallFault(_UNAVAILABLE, "the gateway's wallet cannot pay for a job now")
    if isinstance(error, OutboxError):
        return CallFault(_UNAVAILABLE, "the gateway cannot send transactions now")
    if isinstance(error, StoreError):
        return CallFault(_UNAVAILABLE, "the content store does not answer")
    if isinstance(error, RequestError):
        return CallFault(_UNAVAILABLE, f"no job can be posted now: {error}")
    return CallFault(_UNAVAILABLE, "the chain does not answer")


def _why_failed(job: GatewayJobRow, timeline: Timeline) -> str:
    job_id = to_hex(job.job_id)
    if timeline.state is JobState.CANCELLED:
        return f"job {job_id} was cancelled"
    last = timeline.last_drawn
    if last is None:
        return f"job {job_id} failed: no committee could be drawn in time"
    return (
        f"job {job_id} failed without a quorum: of {len(last.places)} places "
        f"{len(last.committed)} committed and {len(last.revealed)} revealed, "
        f"{job.params.quorum_of(last.number)} had to agree"
    )


def _facts(job: GatewayJobRow, **more: object) -> dict[str, object]:
    return {"job_id": to_hex(job.job_id), **more}
