"""Moving jobs forward for their bounties, a little after whoever posted them would."""

from __future__ import annotations

import hashlib
import logging
import time

from protocol.chain.client import MarketClient
from protocol.chain.endings import ENDING_EVENTS, ending_of
from protocol.due import Due, awaits_seed, due
from protocol.errors import ContractReverted
from protocol.market import DEVELOPMENT_CHAIN_IDS, JobId, JobParams

__all__ = ["Keeper", "delay_blocks"]

logger = logging.getLogger(__name__)

_LEAST_DELAY = 2
_DELAY_SPREAD = 3


def delay_blocks(job_id: JobId, worker: str) -> int:
    """Blocks to wait before doing what a requester usually does itself, 2 to 4.

    Differs between workers, so that they do not all pay gas for the same call.
    """
    first = hashlib.sha256(job_id + worker.encode()).digest()[0]
    return _LEAST_DELAY + first % _DELAY_SPREAD


class Keeper:
    """Remembers since when each job is due. Restarting it costs a little delay only."""

    def __init__(self, client: MarketClient) -> None:
        """Work with the account of a client."""
        self._client = client
        self._due_since: dict[tuple[JobId, Due], int] = {}
        self._waiting_since: dict[JobId, int] = {}

    def look(self, jobs: list[tuple[JobId, JobParams]]) -> None:
        """Advance every job that has been due for long enough."""
        head = self._client.block_number()
        now = self._now()
        still_due: dict[tuple[JobId, Due], int] = {}
        is_waiting = False
        for job_id, params in jobs:
            current = self._client.round_of(job_id)
            task = due(current, head, now)
            if task is Due.NOTHING:
                is_waiting = is_waiting or awaits_seed(current, head)
                continue
            since = self._due_since.get((job_id, task), head)
            still_due[job_id, task] = since
            if head - since >= delay_blocks(job_id, self._client.address):
                self._advance(job_id, params, task)
        self._due_since = still_due
        # Also where a delay counts blocks that nobody would mine.
        if is_waiting or still_due:
            self._client.mine_on_demand()

    def _now(self) -> int:
        """Time of the next block, or a little before; Unix seconds."""
        latest = self._client.block_time()
        if self._client.chain_id not in DEVELOPMENT_CHAIN_IDS:
            return latest
        # A chain that mines on demand has an old latest block.
        return max(latest, int(time.time()))

    def deliver(self, jobs: list[tuple[JobId, JobParams]]) -> None:
        """Call the callbacks of settled jobs that have waited for long enough."""
        head = self._client.block_number()
        still_waiting: dict[JobId, int] = {}
        for job_id, params in jobs:
            since = self._waiting_since.get(job_id, head)
            still_waiting[job_id] = since
            if head - since >= delay_blocks(job_id, self._client.address):
                self._deliver(job_id, params)
        self._waiting_since = still_waiting

    def _deliver(self, job_id: JobId, params: JobParams) -> None:
        facts = {"job_id": "0x" + job_id.hex(), "task": "deliver"}
        ending = ending_of(self._client.events(job_id=job_id, kinds=ENDING_EVENTS))
        if ending is None:
            return
        try:
            result = self._client.deliver(params, ending.outcome, ending.transcript)
        except ContractReverted as error:
            logger.info("delivery not needed", extra={**facts, "reason": error.name})
            return
        logger.info("delivered", extra={**facts, "tx_hash": result.tx_hash})

    def _advance(self, job_id: JobId, params: JobParams, task: Due) -> None:
        facts = {"job_id": "0x" + job_id.hex(), "task": task.value}
        try:
            result = self._client.advance(params)
        except ContractReverted as error:
            # Somebody was faster; the next look sees what is due then.
            logger.info("advance not needed", extra={**facts, "reason": error.name})
            return
        logger.info("advanced", extra={**facts, "tx_hash": result.tx_hash})
