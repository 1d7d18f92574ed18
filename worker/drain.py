"""Leaving in good order: take nothing new, finish what is owed, then go.

A seat that was asked to close can still be drawn by a draw armed before; so the drain
waits for those draws too, and serves them. It does not wait until the seats can leave:
nothing can happen to them by then.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from protocol.chain.client import MarketClient
from protocol.errors import RpcUnavailable, WaitTimedOut
from protocol.market.types import JobState, ModelId, Round
from worker.duty import JobStage, stage_of
from worker.journal.journal import Journal
from worker.seats.holdings import Holdings
from worker.seats.leaving import close_seats

__all__ = ["Drain", "can_still_draw"]

logger = logging.getLogger(__name__)

_OWED = frozenset(
    {
        JobStage.COMPUTING,
        JobStage.COMMITTING,
        JobStage.COMMITTED,
        JobStage.REVEALING,
    }
)


def can_still_draw(current: Round, close_block: int, block_number: int) -> bool:
    """Whether an undrawn job's armed draw may pick a seat that was asked to close.

    Args:
        current: The job's round.
        close_block: Block of the request to close.
        block_number: Last block.
    """
    if current.state is not JobState.OPEN or block_number >= current.expiry_block:
        return False
    # The roster froze as it stood before this block.
    return current.seed_block - 1 <= close_block


class Drain:
    """A drain in progress; ask `is_done` after each tick."""

    def __init__(
        self,
        client: MarketClient,
        holdings: Holdings,
        journal: Journal,
        models: Collection[ModelId],
        *,
        confirmations: int,
        limit_seconds: float,
    ) -> None:
        """Begin; the limit counts from now.

        Args:
            client: Whose account.
            holdings: Its seats.
            journal: What it owes.
            models: Models it serves.
            confirmations: Blocks before an event reaches the journal.
            limit_seconds: How long all may take.
        """
        self._client = client
        self._journal = journal
        self._models = models
        self._holdings = holdings
        self._confirmations = confirmations
        self._quiet_block: int | None = None
        self._limit_seconds = limit_seconds
        self._deadline = time.monotonic() + limit_seconds
        logger.info("draining", extra={"limit_seconds": limit_seconds})

    def is_done(self, *, closes_seats: bool) -> bool:
        """Move on, and say whether nothing is owed any more.

        Args:
            closes_seats: Whether to ask the seats to close.

        Raises:
            WaitTimedOut: The time is over and something is owed still.
            RpcUnavailable: The chain cannot be seen; ask again.
        """
        if time.monotonic() > self._deadline:
            self._give_up()
            return True
        if closes_seats and not self._is_quiet():
            return False
        return self._owed() == 0

    def _give_up(self) -> None:
        try:
            owed = self._owed()
        except RpcUnavailable as error:
            raise WaitTimedOut(
                f"the chain could not be seen at the end of {self._limit_seconds:g} s "
                f"of draining: {error}"
            ) from error
        if owed:
            raise WaitTimedOut(
                f"{owed} jobs are unfinished after {self._limit_seconds:g} s of "
                "draining: run the worker again soon, or they cost bond"
            )
        logger.warning("drain gave up waiting for draws that were armed before")

    def _is_quiet(self) -> bool:
        """Whether no draw can pick us any more, and the journal knows of all that did.

        The last draw's event reaches the journal with a tick after its block is
        confirmed, so the answer is yes one call after that.
        """
        head = self._client.block_number()
        if self._may_be_drawn(head):
            self._quiet_block = None
            return False
        if self._quiet_block is None:
            self._quiet_block = head
            return False
        return head - self._confirmations >= self._quiet_block

    def _may_be_drawn(self, head: int) -> bool:
        seats = self._holdings.read()
        if close_seats(self._client, seats):
            return True
        if not seats:
            return False
        closed = max(seat.close_requested_block or 0 for seat in seats)
        # A job posted before the request may not be in the journal yet.
        if head - self._confirmations < closed:
            return True
        return any(
            can_still_draw(self._client.round_of(job_id), closed, head)
            for job_id, params in self._journal.open_jobs()
            if params.model_id in self._models
        )

    def _owed(self) -> int:
        now = self._client.block_time()
        stages = (
            stage_of(duty, self._client.round_of(duty.job_id), now)
            for duty in self._journal.live_duties()
        )
        return sum(stage in _OWED for stage in stages)
