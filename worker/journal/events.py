"""From the market's events to the journal, to rounds and to metrics."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from protocol.chain.client import MarketClient
from protocol.chain.cursor import CursorPosition, EventBatch, EventCursor
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    ResultDelivered,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.round_state import ROUND_EVENTS
from worker.duty import Duty
from worker.journal.live import LiveJobs
from worker.metrics import WorkerMetrics
from worker.rounds.following import Rounds

__all__ = ["EventReader"]

logger = logging.getLogger(__name__)

_JOB_EVENTS = (JobPosted, CommitteeDrawn, JobSettled, JobCancelled, ResultDelivered)
_MONEY_EVENTS = (WorkerPaid, BountyPaid, SeatSlashed)
# Blocks without an event of ours after which the position is written all the same.
_QUIET_BLOCKS = 64


class EventReader:
    """Reads events, and keeps journal and rounds in step with the chain."""

    def __init__(
        self,
        client: MarketClient,
        jobs: LiveJobs,
        rounds: Rounds,
        metrics: WorkerMetrics,
        *,
        confirmations: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Go on where the journal says that reading stopped.

        Args:
            client: Where events are read.
            jobs: Where jobs, duties and the position are kept.
            rounds: Told of every event of a round.
            metrics: Told of draws and money.
            confirmations: Blocks that must lie above an event's block before it counts.
            clock: Unix seconds.
        """
        self._client = client
        self._journal = jobs.journal
        self._jobs = jobs
        self._rounds = rounds
        self._metrics = metrics
        self._clock = clock
        self._confirmations = confirmations
        self._times: dict[int, int] = {}
        self._cursor = self._new_cursor()
        self._has_failed = False
        self._tip: EventCursor | None = None
        if confirmations:
            # How rounds stand is of interest at once, whatever is acted upon.
            self._tip = EventCursor(
                client, start_block=client.block_number() + 1, kinds=ROUND_EVENTS
            )
        self._saved_head = 0

    def read(self) -> int:
        """Apply every new event.

        Returns:
            The block up to which rounds are known, confirmed or not.

        Raises:
            RpcUnavailable: Nothing was taken over.
            JournalError: The same.
        """
        batch = self._read()
        self._rounds.apply(batch)
        self._metrics.set_head(batch.head)
        return batch.head

    def _read(self) -> EventBatch:
        batch = self._cursor.poll()
        try:
            self._take(batch)
        except BaseException:
            # The cursor has gone on without the journal: back to where that stands.
            self._cursor = self._new_cursor()
            self._has_failed = True
            raise
        if self._tip is not None:
            return self._tip.poll()
        has_failed, self._has_failed = self._has_failed, False
        if has_failed and batch.rewound_to is None:
            # Some of it was read before: who follows rounds must start anew.
            return replace(batch, rewound_to=self._client.deployment.block_number)
        return batch

    def _new_cursor(self) -> EventCursor:
        saved = self._journal.position()
        kinds: tuple[type[Event], ...] = _JOB_EVENTS + _MONEY_EVENTS
        return EventCursor(
            self._client,
            start_block=self._client.deployment.block_number,
            confirmations=self._confirmations,
            kinds={*kinds, *ROUND_EVENTS},
            position=None if saved is None else _parse(saved),
        )

    def _take(self, batch: EventBatch) -> None:
        kinds = _JOB_EVENTS + _MONEY_EVENTS
        logs = [log for log in batch.logs if isinstance(log.event, kinds)]
        is_quiet = not logs and batch.rewound_to is None
        if is_quiet and batch.head - self._saved_head < _QUIET_BLOCKS:
            return
        # Asked for first: the node may fail, and nothing must be half done then.
        self._times = self._draw_times(logs)
        job_ids = None
        if batch.rewound_to is None:
            job_ids = [log.event.job_id for log in logs]  # type: ignore[attr-defined]
        crash_point("events.saving")
        with self._jobs.transaction(job_ids):
            if batch.rewound_to is not None:
                logger.warning("chain rewound", extra={"to_block": batch.rewound_to})
                self._journal.rewind(batch.rewound_to)
            for log in logs:
                self._apply(log)
            if self._cursor.position is not None:
                self._journal.save_position(_written(self._cursor.position))
        crash_point("events.saved")
        self._saved_head = batch.head

    def _draw_times(self, logs: list[Log]) -> dict[int, int]:
        blocks = {
            log.block_number
            for log in logs
            if isinstance(log.event, CommitteeDrawn) and self._is_ours(log.event)
        }
        return {block: self._client.block_time(block) for block in sorted(blocks)}

    def _is_ours(self, event: CommitteeDrawn) -> bool:
        return self._client.address in event.workers

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
        else:
            self._count_money(event)

    def _apply_end(self, event: JobSettled | JobCancelled, log: Log) -> None:
        job_id = event.job_id
        params = self._jobs.params_of(job_id) or self._journal.params_of(job_id)
        has_callback = params is not None and params.has_callback
        if has_callback and isinstance(event, JobSettled):
            self._journal.await_delivery(job_id, log.block_number)
        self._journal.close_job(job_id, log.block_number, now=int(self._clock()))

    def _apply_draw(self, event: CommitteeDrawn, log: Log) -> None:
        if not self._is_ours(event):
            return
        index = event.workers.index(self._client.address)
        duty = Duty(
            job_id=event.job_id,
            round_number=event.round,
            place=index,
            seat_id=event.seat_ids[index],
            drawn_at=self._times[log.block_number],
            commit_deadline=event.commit_deadline,
        )
        self._journal.record_duty(duty, log.block_number)
        self._metrics.drawn()
        logger.info(
            "drawn",
            extra={
                "job_id": to_hex(event.job_id),
                "round": event.round,
                "place": index,
                "seat_id": event.seat_ids[index],
            },
        )

    def _count_money(self, event: Event) -> None:
        own = self._client.address
        if isinstance(event, WorkerPaid) and event.worker == own:
            self._metrics.paid(event.amount)
        elif isinstance(event, BountyPaid) and event.caller == own:
            self._metrics.bounty(event.amount)
        elif isinstance(event, SeatSlashed) and event.worker == own:
            self._metrics.slashed(event.reason, event.amount)
            logger.error(
                "slashed",
                extra={
                    "job_id": to_hex(event.job_id),
                    "seat_id": event.seat_id,
                    "reason": event.reason.name.lower(),
                    "amount": event.amount,
                },
            )


def _written(position: CursorPosition) -> str:
    return json.dumps([position.block_number, position.block_hash, position.earlier])


def _parse(saved: str) -> CursorPosition:
    number, block_hash, earlier = json.loads(saved)
    return CursorPosition(number, block_hash, tuple(map(tuple, earlier)))
