"""A posted job: followed, moved forward, withdrawn, its results verified."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, get_args

from eth_typing import ChecksumAddress

from protocol.chain.proofs.verify import JobProof
from protocol.digests import Digest
from protocol.documents.prompts import PromptsDocument
from protocol.documents.results import ResultsDocument
from protocol.errors import (
    BadDocument,
    ContentNotFound,
    ContractReverted,
    GasPriceTooHigh,
    NotEnoughFunds,
    RequestError,
    SpendingCapReached,
    StoreError,
    WaitTimedOut,
)
from protocol.hexadecimal import to_hex
from protocol.host.backoff import Tolerance
from protocol.host.crash_points import crash_point
from protocol.market.advancing import Due
from protocol.market.events import Entry, JobPosted, ResultRevealed, entries_of
from protocol.market.timeline import Timeline, logs_to_end
from protocol.market.types import (
    JobId,
    JobParams,
    JobState,
    Outcome,
    OutcomeStatus,
)
from requester.jobs.connections import Connections
from requester.jobs.results import Results, check_results, fetch_document

__all__ = ["CANNOT_PAY", "Job", "Milestone"]

CANNOT_PAY = (GasPriceTooHigh, NotEnoughFunds, SpendingCapReached)
"""Why an account could not pay for a transaction: it has too little, or its limits."""

Milestone = Literal["accepted", "settled"]
"""What to wait for."""

_log = logging.getLogger(__name__)

# What `advance` and a look at the chain meet when somebody else was faster, or when a
# block was replaced between reading its header and using it.
_LOST_RACES = frozenset({"NothingDue", "UnexpectedJobState", "WrongHeader"})
# A node that restarts is back within a few looks; one that is gone must be reported.
_TOLERATED_FAILURES = 10


class Job:
    """One job of the marketplace.

    Attributes:
        job_id: Hash of chain, marketplace and parameters.
        params: What was asked for.
        escrowed: Units locked on posting.
    """

    def __init__(self, connections: Connections, posted: Entry[JobPosted]) -> None:
        """Take the job's posting; `Client.job` finds it by id."""
        self._connections = connections
        self._posted = posted
        self.job_id: JobId = posted.event.job_id
        self.params: JobParams = posted.event.params
        self.escrowed: int = posted.event.escrowed

    def __repr__(self) -> str:
        """The id, as commands take it."""
        return f"Job({to_hex(self.job_id)})"

    @property
    def chain_id(self) -> int:
        """Chain that it was posted on."""
        return self._connections.market.chain_id

    @property
    def marketplace(self) -> ChecksumAddress:
        """Marketplace that it was posted on."""
        return self._connections.market.deployment.marketplace

    @property
    def posted_block(self) -> int:
        """Block that it was posted in."""
        return self._posted.log.block_number

    def state(self) -> JobState:
        """The job's state at the latest block. Raises RpcUnavailable."""
        return self._connections.market.state_of(self.job_id)

    def timeline(self) -> Timeline:
        """All that the chain says about the job so far. Raises RpcUnavailable."""
        logs = self._connections.market.events(
            job_id=self.job_id, from_block=self.posted_block
        )
        return Timeline.of(self.job_id, logs)

    def prove(self, timeline: Timeline) -> JobProof:
        """Prove the job's end and events under the hash of one block.

        Args:
            timeline: Of a job that was settled.

        Raises:
            RequestError: The job was not settled, or spans too many blocks.
            ChainError: The chain is of a fork that this version does not know.
            RpcUnavailable: The node failed.
        """
        if timeline.settled is None:
            raise RequestError(f"job {to_hex(self.job_id)} is not settled yet")
        logs = logs_to_end(timeline.logs)
        return self._connections.market.prove_job(self.job_id, logs)

    def wait(
        self,
        until: Milestone = "accepted",
        timeout_seconds: float | None = None,
        on_change: Callable[[Timeline], None] | None = None,
    ) -> Timeline:
        """Follows the job, and moves it forward whenever something is due.

        With an account it draws the committee once the seed block is there and ends the
        job once its windows have passed; without one it only looks.

        Args:
            until: `accepted` returns as soon as a quorum agrees, `settled` when all
                money is accounted for. Both return when the job has failed or was
                cancelled.
            timeout_seconds: How long to wait; None for as long as it takes.
            on_change: Called with the first timeline, and whenever it has grown.

        Returns:
            The timeline that ended the waiting.

        Raises:
            ValueError: `until` is no milestone.
            WaitTimedOut: The time is over; the job goes on.
            RpcUnavailable: The node failed again and again.
        """
        if until not in get_args(Milestone):
            raise ValueError(f"{until!r} is not one of {get_args(Milestone)}")
        clock = self._connections.clock
        deadline = None if timeout_seconds is None else clock.now() + timeout_seconds
        seen: Timeline | None = None
        tolerance = Tolerance(_TOLERATED_FAILURES)
        while True:
            with tolerance.bear("look at the chain failed"):
                seen = self._look(seen, on_change)
                if _is_reached(seen, until):
                    return seen
                if self._connections.account is not None:
                    self.move()
                tolerance.failures = 0
            if deadline is not None and clock.now() >= deadline:
                raise WaitTimedOut(
                    f"job {to_hex(self.job_id)} is not {until} after "
                    f"{timeout_seconds:g} s; it goes on, wait for it again"
                )
            clock.sleep(self._connections.poll_seconds)

    def advance(self) -> bool:
        """Does what is due: draws the committee, ends the job.

        Returns:
            Whether a transaction was sent and did something. False if nothing is due,
            or somebody else was faster.

        Raises:
            ConfigError: There is no account.
            ChainError: The transaction failed for another reason.
        """
        return self._due().is_call and self._advance()

    def move(self, task: Due | None = None) -> None:
        """Does what is due, as far as the account can pay its gas.

        Mines a block where that is all it takes, on a chain that mines on demand.

        Args:
            task: What is due, where that is known.

        Raises:
            ConfigError: There is no account.
            ChainError: The transaction failed.
        """
        task = task or self._due()
        if task is Due.BLOCK:
            self._connections.market.mine_on_demand()
        elif task.is_call:
            try:
                self._advance()
            except CANNOT_PAY as error:
                # Workers move the job as well, for the bounty.
                _log.warning("cannot pay for advancing", extra={"reason": str(error)})

    def _due(self) -> Due:
        current = self._connections.market.round_of(self.job_id)
        return self._connections.due(current)

    def _advance(self) -> bool:
        crash_point("advance.sending")
        try:
            self._connections.market.advance(self.params)
        except ContractReverted as error:
            if error.name in _LOST_RACES:
                return False
            raise
        crash_point("advance.sent")
        return True

    def cancel(self) -> Timeline:
        """Withdraws the job: up to the seed block, or after the draw's deadline.

        Returns:
            The timeline with the refund.

        Raises:
            RequestError: The job has gone on, or has ended.
            ContractReverted: `NotRequester`, `NotCancellable`.
        """
        state = self.state()
        if state != JobState.OPEN:
            raise RequestError(
                f"job {to_hex(self.job_id)} is {state.label}; a job can be cancelled "
                "only before its committee is drawn"
            )
        try:
            self._connections.market.cancel_job(self.params)
        except ContractReverted as error:
            if error.name != "UnexpectedJobState":
                raise
            raise RequestError(
                f"job {to_hex(self.job_id)} was drawn in this moment; it cannot be "
                "cancelled any more"
            ) from error
        # Nobody needs the prompts any more; a store that is away keeps them, no harm.
        with suppress(StoreError):
            self._connections.store.unpin(self.params.prompts_digest)
        return self.timeline()

    def deliver(self) -> Timeline:
        """Calls the job's callback with its result, for a bounty.

        Returns:
            The timeline with the delivery; the callback may have failed.

        Raises:
            RequestError: The job has not ended, or was cancelled.
            ContractReverted: `NoCallback`, `AlreadyDelivered`.
        """
        timeline = self.timeline()
        deliverable = timeline.deliverable
        if deliverable is None:
            raise RequestError(
                f"job {to_hex(self.job_id)} is {timeline.state.label}; a result is "
                "delivered once a job is Accepted or Failed"
            )
        self._connections.market.deliver(self.params, *deliverable)
        return self.timeline()

    def results(self, timeout_seconds: float | None = None) -> Results:
        """The accepted results, checked down to the last byte.

        Args:
            timeout_seconds: How long to try to fetch each document; None for as long as
                the settings say.

        Raises:
            RequestError: There are none, or none yet.
            StoreError: The documents cannot be had in time, or do not match.
            BadDocument: They do not fit what was accepted or asked for.
        """
        outcome = self._accepted_outcome()
        connections = self._connections
        spec = connections.market.spec_of(self.params.model_id)
        codec = connections.tokenizers.codec_of(spec.package_digest)
        if timeout_seconds is None:
            timeout_seconds = connections.results_timeout_seconds
        self._meet_committee()
        asked = self._fetch(self.params.prompts_digest, timeout_seconds)
        prompts = PromptsDocument.from_bytes(asked, max_tokens=self.params.max_tokens)
        answered = self._fetch(outcome.results_digest, timeout_seconds)
        document = ResultsDocument.from_bytes(
            answered, max_tokens=self.params.max_tokens
        )
        results = Results(prompts, document, outcome)
        check_results(results, self.params, spec, codec)
        return results

    def _meet_committee(self) -> None:
        """Connect to the IPFS nodes of the members that may serve the results."""
        connections = self._connections
        if connections.introductions is not None:
            kinds = (ResultRevealed,)
            logs = connections.market.events(job_id=self.job_id, kinds=kinds)
            reveals = entries_of(logs, ResultRevealed)
            connections.introductions.meet(reveal.event.worker for reveal in reveals)

    def _look(
        self, seen: Timeline | None, on_change: Callable[[Timeline], None] | None
    ) -> Timeline:
        timeline = self.timeline()
        if on_change is not None and timeline != seen:
            on_change(timeline)
        return timeline

    def _fetch(self, digest: Digest, timeout_seconds: float) -> bytes:
        return fetch_document(
            self._connections.store,
            digest,
            clock=self._connections.clock,
            timeout_seconds=timeout_seconds,
        )

    def _accepted_outcome(self) -> Outcome:
        timeline = self.timeline()
        outcome = timeline.outcome
        if outcome is None:
            raise RequestError(
                f"job {to_hex(self.job_id)} is {timeline.state.label} and has no "
                f"results; {_way_out(timeline.state)}"
            )
        if outcome.status == OutcomeStatus.INPUT_INVALID:
            raise BadDocument(
                "the workers agree that the prompts document is invalid, so there are "
                "no results; post it again with a current version of this program"
            )
        if outcome.status == OutcomeStatus.INPUT_UNAVAILABLE:
            raise ContentNotFound(
                "the workers could not fetch the prompts, so there are no results; "
                "check that your IPFS node can be reached by others, then post again"
            )
        return outcome


def _is_reached(timeline: Timeline, milestone: Milestone) -> bool:
    is_accepted = milestone == "accepted" and timeline.accepted is not None
    return is_accepted or timeline.state.is_final


def _way_out(state: JobState) -> str:
    if state.is_final:
        return "what was not spent is back in your credit; post it again"
    return "wait until it is accepted"
