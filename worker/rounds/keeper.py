"""Moving jobs forward for their bounties, a little after whoever posted them would."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable

from protocol.chain.client import MarketClient
from protocol.chain.rpc.receipts import TxReceipt
from protocol.host.backoff import Pauses
from protocol.host.crash_points import crash_point
from protocol.market.advancing import Due, due
from protocol.market.timeline import Timeline
from protocol.market.types import DEVELOPMENT_CHAIN_IDS, JobId, JobParams
from worker.gas_policy import GasGuard
from worker.process.background import Errands
from worker.rounds.following import Rounds

__all__ = ["Keeper", "delay_blocks"]

logger = logging.getLogger(__name__)

_MIN_DELAY = 2
_DELAY_SPREAD = 3
# How often a chain that mines by itself is asked whether it does.
_MINE_SECONDS = 2.0


def delay_blocks(job_id: JobId, worker: str) -> int:
    """Blocks to wait before doing what a requester usually does itself, 2 to 4.

    Differs between workers, so that they do not all pay gas for the same call.
    """
    first = hashlib.sha256(job_id + worker.encode()).digest()[0]
    return _MIN_DELAY + first % _DELAY_SPREAD


class Keeper:
    """Remembers since when each job is due. Restarting it costs a little delay only."""

    def __init__(
        self, client: MarketClient, rounds: Rounds, errands: Errands, guard: GasGuard
    ) -> None:
        """Work with the account of a client.

        Args:
            client: The chain, and the account that earns the bounties.
            rounds: How jobs stand.
            errands: Where transactions are sent.
            guard: Says whether bounties are worth their gas.
        """
        self._client = client
        self._rounds = rounds
        self._errands = errands
        self._guard = guard
        self._pauses = Pauses(first_seconds=1.0, longest_seconds=60.0)
        # Blocks of our own calls, whose events were not read yet.
        self._mined: dict[JobId, int] = {}
        self._due_since: dict[tuple[JobId, Due], int] = {}
        self._waiting_since: dict[JobId, int] = {}
        self._mines_again_at = float("-inf")

    def look(self, jobs: Iterable[tuple[JobId, JobParams]], now: int) -> None:
        """Advance every job that has been due for long enough.

        Args:
            jobs: Jobs that have not ended.
            now: Time of the latest block, Unix seconds.

        Raises:
            RpcUnavailable: The node fails.
        """
        if not self._guard.is_bounty_worth_it():
            return
        head = self._rounds.head
        self._mined = {j: block for j, block in self._mined.items() if block > head}
        soon = self._next_block_time(now)
        still_due: dict[tuple[JobId, Due], int] = {}
        is_waiting = False
        for job_id, params in jobs:
            current = self._rounds.of(job_id, now)
            task = due(current, head, soon)
            is_waiting = is_waiting or task is Due.BLOCK
            if not task.is_call:
                continue
            since = self._due_since.get((job_id, task), head)
            still_due[job_id, task] = since
            if head - since >= delay_blocks(job_id, self._client.address):
                self._advance(job_id, params, task)
        self._due_since = still_due
        # Also where a delay counts blocks that nobody would mine.
        if is_waiting or still_due:
            self._mine()

    def deliver(self, jobs: Iterable[tuple[JobId, JobParams]]) -> None:
        """Call the callbacks of settled jobs that have waited for long enough."""
        if not self._guard.is_bounty_worth_it():
            return
        head = self._rounds.head
        still_waiting: dict[JobId, int] = {}
        for job_id, params in jobs:
            since = self._waiting_since.get(job_id, head)
            still_waiting[job_id] = since
            if head - since >= delay_blocks(job_id, self._client.address):
                self._deliver(job_id, params)
        self._waiting_since = still_waiting
        if still_waiting:
            self._mine()

    def _next_block_time(self, now: int) -> int:
        """Time of the next block, or a little before; Unix seconds."""
        if self._client.chain_id not in DEVELOPMENT_CHAIN_IDS:
            return now
        # A chain that mines on demand has an old latest block.
        return max(now, int(time.time()))

    def _mine(self) -> None:
        if time.monotonic() < self._mines_again_at:
            return
        if not self._client.mine_on_demand():
            self._mines_again_at = time.monotonic() + _MINE_SECONDS

    def _deliver(self, job_id: JobId, params: JobParams) -> None:
        client = self._client

        def work() -> TxReceipt | None:
            timeline = Timeline.of(job_id, client.events(job_id=job_id))
            deliverable = timeline.deliverable
            if deliverable is None:
                return None
            crash_point("deliver.sending")
            result = client.deliver(params, *deliverable)
            crash_point("deliver.mined")
            return result

        self._start(job_id, "deliver", work)

    def _advance(self, job_id: JobId, params: JobParams, task: Due) -> None:
        client = self._client

        def work() -> TxReceipt:
            crash_point("advance.sending")
            result = client.advance(params)
            crash_point("advance.mined")
            return result

        self._start(job_id, task.value, work)

    def _start(
        self, job_id: JobId, task: str, work: Callable[[], TxReceipt | None]
    ) -> None:
        """Send on a thread, unless that was done, or failed a moment ago."""
        is_mined = self._mined.get(job_id, 0) > self._rounds.head
        if is_mined or self._pauses.is_paused(job_id):
            return
        facts = {"job_id": "0x" + job_id.hex(), "task": task}

        def done(result: TxReceipt | None) -> None:
            self._pauses.clear(job_id)
            if result is not None:
                self._mined[job_id] = result.block_number
                logger.info("advanced", extra={**facts, "tx_hash": result.tx_hash})

        def failed(error: Exception) -> None:
            self._pauses.fail(job_id)
            # Somebody was faster, or the node fails; the next look sees what is due.
            self._rounds.forget([job_id])
            logger.info("not advanced", extra={**facts, "reason": str(error)})

        self._errands.start(("keeper", job_id), work, done=done, failed=failed)
