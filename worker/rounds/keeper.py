"""Moving jobs forward for their bounties, a little later than requesters would."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable

from protocol.chain.client import MarketClient
from protocol.chain.rpc.receipts import TxReceipt
from protocol.hexadecimal import to_hex
from protocol.host.backoff import Pauses
from protocol.host.crash_points import crash_point
from protocol.market.advancing import Due, due
from protocol.market.timeline import Timeline
from protocol.market.types import DEVELOPMENT_CHAIN_IDS, JobId, JobParams
from worker.gas_policy import GasGuard
from worker.process.background import TaskPool
from worker.rounds.following import Rounds

__all__ = ["Keeper", "delay_blocks"]

logger = logging.getLogger(__name__)

_MIN_DELAY = 2
_DELAY_SPREAD = 3
# How often a chain that mines by itself is asked whether it does.
_MINE_SECONDS = 2.0
_DELIVER = "deliver"


def delay_blocks(job_id: JobId, worker: str) -> int:
    """Blocks to wait before doing what a requester usually does itself, 2 to 4.

    Differs between workers, so that they do not all pay gas for the same call.
    """
    first = hashlib.sha256(job_id + worker.encode()).digest()[0]
    return _MIN_DELAY + first % _DELAY_SPREAD


class Keeper:
    """Remembers since when each job is due. Restarting it costs a little delay only."""

    def __init__(
        self,
        client: MarketClient,
        rounds: Rounds,
        background: TaskPool,
        guard: GasGuard,
    ) -> None:
        """Work with the account of a client.

        Args:
            client: The chain, and the account that earns the bounties.
            rounds: How jobs stand.
            background: Where transactions are sent.
            guard: Says whether bounties are worth their gas.
        """
        self._client = client
        self._rounds = rounds
        self._background = background
        self._guard = guard
        self._pauses = Pauses(first_seconds=1.0, longest_seconds=60.0)
        # Blocks of our own calls, whose events were not read yet.
        self._mined: dict[JobId, int] = {}
        self._due_since: dict[tuple[JobId, str], int] = {}
        self._mines_again_at = float("-inf")

    def advance(
        self,
        open_jobs: Iterable[tuple[JobId, JobParams]],
        undelivered: Iterable[tuple[JobId, JobParams]],
        now: int,
    ) -> None:
        """Advance or deliver every job that has been due for long enough.

        Args:
            open_jobs: Jobs that have not ended.
            undelivered: Settled jobs whose callback waits.
            now: Time of the latest block, Unix seconds.

        Raises:
            RpcUnavailable: The node fails.
        """
        if not self._guard.is_bounty_worth_it():
            return
        head = self._rounds.head
        self._mined = {j: block for j, block in self._mined.items() if block > head}
        soon = self._next_block_time(now)
        tasks: dict[tuple[JobId, str], JobParams] = {}
        is_waiting = False
        for job_id, params in open_jobs:
            task = due(self._rounds.of(job_id, now), head, soon)
            is_waiting = is_waiting or task is Due.BLOCK
            if task.is_call:
                tasks[job_id, task.value] = params
        tasks |= {(job_id, _DELIVER): params for job_id, params in undelivered}
        self._due_since = {key: self._due_since.get(key, head) for key in tasks}
        for (job_id, name), params in tasks.items():
            waited = head - self._due_since[job_id, name]
            if waited >= delay_blocks(job_id, self._client.address):
                self._start(job_id, name, params)
        # Also where a delay counts blocks that nobody would mine.
        if is_waiting or tasks:
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

    def _deliver(self, job_id: JobId, params: JobParams) -> TxReceipt | None:
        timeline = Timeline.of(job_id, self._client.events(job_id=job_id))
        deliverable = timeline.deliverable
        if deliverable is None:
            return None
        crash_point("deliver.sending")
        result = self._client.deliver(params, *deliverable)
        crash_point("deliver.mined")
        return result

    def _advance(self, params: JobParams) -> TxReceipt:
        crash_point("advance.sending")
        result = self._client.advance(params)
        crash_point("advance.mined")
        return result

    def _start(self, job_id: JobId, task: str, params: JobParams) -> None:
        """Send on a thread, unless that was done, or failed a moment ago."""
        is_mined = self._mined.get(job_id, 0) > self._rounds.head
        if is_mined or self._pauses.is_paused(job_id):
            return
        facts = {"job_id": to_hex(job_id), "task": task}

        def work() -> TxReceipt | None:
            if task == _DELIVER:
                return self._deliver(job_id, params)
            return self._advance(params)

        def done(result: TxReceipt | None) -> None:
            self._pauses.clear(job_id)
            if result is not None:
                self._mined[job_id] = result.block_number
                logger.info("advanced", extra={**facts, "tx_hash": result.tx_hash})

        def failed(error: Exception) -> None:
            self._pauses.fail(job_id)
            # Somebody was faster, or the node fails; the next call sees what is due.
            self._rounds.forget([job_id])
            logger.info("not advanced", extra={**facts, "reason": str(error)})

        self._background.start(("keeper", job_id), work, done=done, failed=failed)
