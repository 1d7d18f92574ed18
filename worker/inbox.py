"""From the market's events to the journal."""

from __future__ import annotations

import json
import logging

from protocol.chain.client import MarketClient
from protocol.chain.cursor import CursorPosition, EventCursor
from protocol.chain.events import (
    CommitteeDrawn,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    ResultDelivered,
)
from worker.journal import Journal
from worker.pipeline import Duty

__all__ = ["Inbox"]

logger = logging.getLogger(__name__)

_KINDS = (JobPosted, CommitteeDrawn, JobSettled, JobCancelled, ResultDelivered)
# Blocks without an event of ours after which the position is written all the same.
_QUIET_BLOCKS = 64


class Inbox:
    """Reads events and keeps the journal in step with the chain."""

    def __init__(
        self, client: MarketClient, journal: Journal, *, confirmations: int
    ) -> None:
        """Go on where the journal says that reading stopped.

        Args:
            client: Where events are read.
            journal: Where they are kept.
            confirmations: Blocks that must lie above an event's block.
        """
        self._client = client
        self._journal = journal
        saved = journal.position()
        self._cursor = EventCursor(
            client,
            start_block=client.deployment.block_number,
            confirmations=confirmations,
            kinds=_KINDS,
            position=None if saved is None else _parse(saved),
        )
        self._saved_head = 0

    def read(self) -> None:
        """Take in everything new. Raises RpcUnavailable; then nothing was taken in."""
        batch = self._cursor.poll()
        is_quiet = not batch.logs and batch.rewound_to is None
        if is_quiet and batch.head - self._saved_head < _QUIET_BLOCKS:
            return
        with self._journal.transaction():
            if batch.rewound_to is not None:
                logger.warning("chain rewound", extra={"to_block": batch.rewound_to})
                self._journal.rewind(batch.rewound_to)
            for log in batch.logs:
                self._apply(log)
            if self._cursor.position is not None:
                self._journal.save_position(_written(self._cursor.position))
        self._saved_head = batch.head

    def _apply(self, log: Log) -> None:
        event = log.event
        if isinstance(event, JobPosted):
            self._journal.record_job(event.job_id, event.params, log.block_number)
        elif isinstance(event, CommitteeDrawn):
            self._apply_draw(event, log)
        elif isinstance(event, JobSettled | JobCancelled):
            self._apply_end(event, log)
        elif isinstance(event, ResultDelivered):
            self._journal.record_delivery(event.job_id, log.block_number)

    def _apply_end(self, event: JobSettled | JobCancelled, log: Log) -> None:
        self._journal.close_job(event.job_id, log.block_number)
        params = self._journal.params_of(event.job_id)
        is_awaited = params is not None and params.has_callback
        if is_awaited and isinstance(event, JobSettled):
            self._journal.await_delivery(event.job_id, log.block_number)

    def _apply_draw(self, event: CommitteeDrawn, log: Log) -> None:
        if self._client.address not in event.workers:
            return
        index = event.workers.index(self._client.address)
        duty = Duty(
            job_id=event.job_id,
            round_number=event.round,
            place=index,
            seat_id=event.seat_ids[index],
            drawn_at=self._client.block_time(log.block_number),
            commit_deadline=event.commit_deadline,
        )
        self._journal.record_duty(duty, log.block_number)
        logger.info(
            "drawn",
            extra={
                "job_id": "0x" + event.job_id.hex(),
                "round": event.round,
                "place": index,
                "seat_id": event.seat_ids[index],
            },
        )


def _written(position: CursorPosition) -> str:
    return json.dumps([position.block_number, position.block_hash, position.earlier])


def _parse(saved: str) -> CursorPosition:
    number, block_hash, earlier = json.loads(saved)
    return CursorPosition(number, block_hash, tuple(map(tuple, earlier)))
