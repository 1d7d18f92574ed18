"""Results on their way to IPFS: those that are due together go in one request.

A request costs more than what it carries, and the places of a block's reveals fall due
at the same time. None waits for another request, though: a slow one must not make the
others miss their windows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from protocol.digests import Digest
from protocol.errors import DigestMismatch
from protocol.hexadecimal import to_hex
from protocol.host.backoff import Pauses
from protocol.host.crash_points import crash_point
from protocol.store.port import ContentStore
from worker.duty import Duty, DutyKey, Step
from worker.metrics import WorkerMetrics
from worker.process.background import TaskPool

__all__ = ["Publishing"]

logger = logging.getLogger(__name__)

# What a request carries at most, unless it is one result that is larger.
_MAX_BYTES = 256 * 1024
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0


class Publishing:
    """Puts results into the content store. For one thread; requests run on others."""

    def __init__(
        self, store: ContentStore, background: TaskPool, metrics: WorkerMetrics
    ) -> None:
        """Start with nothing to publish.

        Args:
            store: Where results go.
            background: Where requests run.
            metrics: Told of failures.
        """
        self._store = store
        self._background = background
        self._metrics = metrics
        self._waiting: dict[DutyKey, Duty] = {}
        self._under_way: set[DutyKey] = set()
        self._published: list[tuple[Duty, Digest]] = []
        self._pauses = Pauses(
            first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )
        self._number = 0

    def offer(self, duty: Duty) -> None:
        """Have a duty's results published by the next `flush`.

        Nothing happens while they are being published, or shortly after a failure.

        Args:
            duty: One with an outcome and results.
        """
        if duty.key not in self._under_way and not self._pauses.is_paused(duty.key):
            self._waiting[duty.key] = duty

    def flush(self) -> None:
        """Send what was offered."""
        waiting, self._waiting = self._waiting, {}
        for batch in _batches(list(waiting.values())):
            self._start(batch)

    def collect(self) -> list[tuple[Duty, Digest]]:
        """What was published since the last call, with its digest.

        The caller writes it to the journal.
        """
        published, self._published = self._published, []
        self._under_way.difference_update(duty.key for duty, _ in published)
        return published

    def _start(self, batch: Sequence[Duty]) -> None:
        self._under_way.update(duty.key for duty in batch)
        self._number += 1
        self._background.start(
            (Step.PUBLISH, self._number),
            lambda: self._put(batch),
            done=lambda digests: self._succeed(batch, digests),
            failed=lambda error: self._fail(batch, error),
        )

    def _put(self, batch: Sequence[Duty]) -> tuple[Digest, ...]:
        crash_point("publish.putting")
        digests = self._store.put_all([_results(duty) for duty in batch])
        crash_point("publish.put")
        return digests

    def _succeed(self, batch: Sequence[Duty], digests: Sequence[Digest]) -> None:
        for duty, digest in zip(batch, digests, strict=True):
            assert duty.outcome is not None
            expected = duty.outcome.results_digest
            if digest == expected:
                self._pauses.clear(duty.key)
                self._published.append((duty, digest))
                continue
            # Alone: it must not keep the others from being revealed.
            text = (
                f"the IPFS node stored results under {digest.hex()}, committed was "
                f"{expected.hex()}"
            )
            self._fail([duty], DigestMismatch(text))

    def _fail(self, batch: Sequence[Duty], error: Exception) -> None:
        self._metrics.step_failed(Step.PUBLISH.value)
        for duty in batch:
            self._under_way.discard(duty.key)
            self._pauses.fail(duty.key)
            facts = {"job_id": to_hex(duty.job_id), "step": Step.PUBLISH.value}
            logger.info("step failed", extra={**facts, "reason": str(error)})


def _results(duty: Duty) -> bytes:
    assert duty.results is not None
    return duty.results


def _batches(duties: Sequence[Duty]) -> Iterator[list[Duty]]:
    """Cut into pieces of at most `_MAX_BYTES`, or of one duty."""
    batch: list[Duty] = []
    size = 0
    for duty in duties:
        length = len(_results(duty))
        if batch and size + length > _MAX_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(duty)
        size += length
    if batch:
        yield batch
