"""Runs a batch: posts its jobs, follows them to their ends, collects their results.

Every step is written down before the next one depends on it, so the process may die
anywhere: the next run of the batch asks the chain what became of what was written.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from protocol.errors import (
    BudgetReached,
    ContractReverted,
    MarketError,
    NotEnoughFunds,
    ProtocolError,
    StoreError,
    WaitTimedOut,
)
from protocol.hexadecimal import to_hex
from protocol.host.backoff import Tolerance
from protocol.market.advancing import Due
from protocol.market.timeline import Timeline
from protocol.market.types import JobId, JobState, OutcomeStatus, Round
from requester.batches.journal import BatchJournal
from requester.batches.records import Attempt, AttemptState, BatchProgress, Chunk
from requester.client import Client
from requester.jobs.job import Job
from requester.jobs.views import results_view

__all__ = ["BatchRunner"]

_log = logging.getLogger(__name__)

# A node that restarts is back within a few looks; one that is gone must be reported.
_TOLERATED_FAILURES = 20
# Nodes behind one address may not have seen the newest block. Only a job that stays
# away has been undone by a reorganisation.
_TOLERATED_MISSES = 5
# More jobs than this at once would only compete with each other for seats.
_MAX_IN_FLIGHT = 16
_REORG_MARGIN_BLOCKS = 64


class BatchRunner:
    """Moves one batch forward."""

    def __init__(self, client: Client, journal: BatchJournal, batch_id: str) -> None:
        """Take a client with an account, and the batch's journal."""
        self._client = client
        self._market = client.market
        self._clock = client.connections.clock
        self._journal = journal
        self._batch_id = batch_id
        self._jobs: dict[JobId, Job] = {}
        self._seen_due: set[JobId] = set()
        self._missed: Counter[JobId] = Counter()
        self._tried_since: dict[JobId, float] = {}
        self._given_up: set[JobId] = set()
        self._tolerance = Tolerance(_TOLERATED_FAILURES, _may_pass)

    def run(
        self,
        *,
        timeout_seconds: float | None = None,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> BatchProgress:
        """Works until every prompt has a result or none can come.

        Args:
            timeout_seconds: How long to work; None for as long as it takes.
            on_progress: Called after every look at the chain.

        Returns:
            How the batch ended.

        Raises:
            BudgetReached: The next job would cost more than the budget leaves.
            NotEnoughFunds: The account cannot pay the next job, and no refund is due.
            WaitTimedOut: The time is over; posted jobs go on.
            MarketError: The chain or the store failed again and again.
        """
        deadline = None
        if timeout_seconds is not None:
            deadline = self._clock.now() + timeout_seconds
        while True:
            note, has_posted = self._look()
            progress = replace(self._journal.progress(), note=note)
            if on_progress is not None:
                on_progress(progress)
            if self._is_done():
                return progress
            if deadline is not None and self._clock.now() >= deadline:
                raise WaitTimedOut(
                    f"batch {self._batch_id} is not done after {timeout_seconds:g} s; "
                    f"go on with `assay job resume {self._batch_id}`"
                )
            if not has_posted:
                self._clock.sleep(self._client.connections.poll_seconds)

    # ---------------------------------------------------------------- one look

    def _look(self) -> tuple[str, bool]:
        """Moves each job forward once; what is waited for, and whether it posted."""
        failed_before = self._tolerance.failures
        note, has_posted = "", False
        for attempt in self._journal.unsettled():
            with self._tolerance.bear("batch step failed"):
                if attempt.state is AttemptState.PREPARED:
                    note = self._post(attempt) or note
                else:
                    self._follow(attempt)
        for attempt in self._journal.unfetched():
            with self._tolerance.bear("batch step failed"):
                self._collect(attempt)
        with self._tolerance.bear("batch step failed"):
            more, has_posted = self._post_more()
            note = more or note
        if self._tolerance.failures == failed_before:
            self._tolerance.failures = 0
        return note, has_posted

    def _is_done(self) -> bool:
        if self._journal.next_chunk() is not None or self._journal.unsettled():
            return False
        unfetched = {attempt.job_id for attempt in self._journal.unfetched()}
        return unfetched <= self._given_up

    # ---------------------------------------------------------------- posting

    def _post_more(self) -> tuple[str, bool]:
        chunk = self._journal.next_chunk()
        if chunk is None:
            return "", False
        options = self._journal.options
        market = self._client.market_for(options.terms)
        required = max(options.terms.redundancy, options.terms.min_seats or 0)
        unsettled = self._journal.unsettled()
        at_once = min(market.seats // required, _MAX_IN_FLIGHT)
        if len(unsettled) >= (options.in_flight or max(at_once, 1)):
            return "", False
        if market.seats < required:
            return f"waiting for seats: {market.seats} of {required} are open", False
        if any(attempt.state is AttemptState.PREPARED for attempt in unsettled):
            return "", False
        if not self._is_within_budget(chunk, options.budget):
            if unsettled:
                return "waiting for refunds: the budget pays no further job", False
            raise self._budget_reached(chunk, options.budget or 0)
        return self._post(self._prepare(chunk)), True

    def _prepare(self, chunk: Chunk) -> Attempt:
        options = self._journal.options
        draft = self._client.prepare(
            self._journal.requests_of(chunk),
            task=options.task,
            decoding=options.decoding,
            terms=options.terms,
        )
        from_block = self._market.block_number() - _REORG_MARGIN_BLOCKS
        attempt = Attempt(
            job_id=self._market.job_id_of(draft.params),
            chunk=chunk.number,
            params=draft.params,
            escrow=draft.estimate.escrow,
            state=AttemptState.PREPARED,
            from_block=max(from_block, self._market.deployment.block_number),
        )
        self._journal.prepare(attempt, draft.content)
        return attempt

    def _post(self, attempt: Attempt) -> str:
        """Posts what was written down, once; what is waited for if it cannot be."""
        try:
            job = self._client.ensure_posted(
                attempt.params,
                self._journal.content_of(attempt),
                from_block=attempt.from_block,
            )
        except NotEnoughFunds:
            others = self._journal.unsettled()
            if all(other.state is AttemptState.PREPARED for other in others):
                raise
            return "waiting for refunds: the account cannot pay the next job"
        self._jobs[attempt.job_id] = job
        self._journal.mark(attempt, AttemptState.POSTED)
        return ""

    def _is_within_budget(self, chunk: Chunk, budget: int | None) -> bool:
        progress = self._journal.progress()
        return budget is None or (
            progress.spent + progress.locked + chunk.escrow <= budget
        )

    def _budget_reached(self, chunk: Chunk, budget: int) -> BudgetReached:
        progress = self._journal.progress()
        return BudgetReached(
            f"batch {self._batch_id} has cost {progress.spent} units of its budget of "
            f"{budget}, and its next job locks {chunk.escrow}; prompts without a "
            f"result: {progress.pending}; go on with `assay job resume "
            f"{self._batch_id} --budget MORE`"
        )

    # ---------------------------------------------------------------- following

    def _follow(self, attempt: Attempt) -> None:
        current = self._market.round_of(attempt.job_id)
        if current.state is JobState.NONEXISTENT:
            self._miss(attempt)
            return
        del self._missed[attempt.job_id]
        if current.state.is_final:
            self._settle(attempt)
        else:
            self._move(attempt, current)

    def _miss(self, attempt: Attempt) -> None:
        """A reorganisation may have undone the posting: then post the same again."""
        self._missed[attempt.job_id] += 1
        if self._missed[attempt.job_id] >= _TOLERATED_MISSES:
            del self._missed[attempt.job_id]
            self._jobs.pop(attempt.job_id, None)
            self._journal.mark(attempt, AttemptState.PREPARED)
            _log.warning("posting was undone", extra={"job_id": to_hex(attempt.job_id)})

    def _move(self, attempt: Attempt, current: Round) -> None:
        """Does what is due, unless somebody else does it before the next look."""
        task = self._client.connections.due(current)
        if task.is_call and attempt.job_id not in self._seen_due:
            self._seen_due.add(attempt.job_id)
            return
        self._seen_due.discard(attempt.job_id)
        if task is not Due.NOTHING:
            self._job(attempt).move(task)

    def _settle(self, attempt: Attempt) -> None:
        timeline = self._job(attempt).timeline()
        if timeline.ended is None:
            return
        depth = self._market.block_number() - timeline.ended.log.block_number
        if depth < self._client.connections.confirmations:
            return
        state, reason = _verdict(timeline)
        self._journal.settle(attempt, state, timeline.refunded, reason)
        if state is AttemptState.UNFETCHED:
            self._collect(attempt)

    def _collect(self, attempt: Attempt) -> None:
        """Fetches an accepted job's results; a job without them stops no other."""
        if attempt.job_id in self._given_up:
            return
        try:
            results = self._job(attempt).results(timeout_seconds=0)
        except (StoreError, ProtocolError) as error:
            since = self._tried_since.setdefault(attempt.job_id, self._clock.now())
            patience = self._client.connections.results_timeout_seconds
            is_over = self._clock.now() - since >= patience
            if is_over or not error.is_retryable:
                self._given_up.add(attempt.job_id)
                self._journal.note_reason(attempt, str(error))
            return
        self._journal.collect(attempt, results_view(results))
        self._jobs.pop(attempt.job_id, None)

    def _job(self, attempt: Attempt) -> Job:
        job = self._jobs.get(attempt.job_id)
        if job is None:
            job = self._client.job(attempt.job_id, from_block=attempt.from_block)
            self._jobs[attempt.job_id] = job
        return job


def _may_pass(error: MarketError) -> bool:
    if isinstance(error, ContractReverted):
        return error.rule.is_retryable
    return error.is_retryable


def _verdict(timeline: Timeline) -> tuple[AttemptState, str]:
    """How an ended job counts, and why there will be no results if so."""
    if timeline.state is JobState.CANCELLED:
        return AttemptState.CANCELLED, "the job was cancelled"
    outcome = timeline.outcome
    if timeline.state is not JobState.ACCEPTED or outcome is None:
        return AttemptState.FAILED, "no quorum agreed on a result"
    if outcome.status is OutcomeStatus.OK:
        return AttemptState.UNFETCHED, ""
    if outcome.status is OutcomeStatus.INPUT_UNAVAILABLE:
        return AttemptState.FAILED, "the workers could not fetch the prompts"
    return AttemptState.FAILED, "the workers agree that the prompts are invalid"
