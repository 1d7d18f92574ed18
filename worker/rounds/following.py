"""The current round of each job, kept up by events instead of asked for each time.

A round is asked for once, at the block up to which events were read, and then moved by
every event that follows. A reorganisation, or a call that the contract refused, makes
the worker ask again. So does age: with a bond at stake, nothing is trusted for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from protocol.chain.cursor import EventBatch
from protocol.market.events import Event
from protocol.market.round_state import ROUND_EVENTS, round_after, round_at
from protocol.market.types import JobId, Round

__all__ = ["RoundSource", "Rounds"]

# Blocks after which the chain is asked again.
_TRUST_BLOCKS = 64


class RoundSource(Protocol):
    """Where rounds are asked for; `MarketReader` is one."""

    def round_of(self, job_id: JobId, *, block: int) -> Round:
        """State and round of a job at a block."""
        ...


@dataclass(slots=True)
class _Known:
    current: Round
    asked_at: int


class Rounds:
    """The rounds of jobs that were asked about, and of those posted since."""

    def __init__(self, source: RoundSource, *, reveal_window_seconds: int) -> None:
        """Start knowing nothing.

        Args:
            source: Where rounds are asked for.
            reveal_window_seconds: The market's.
        """
        self._source = source
        self._window = reveal_window_seconds
        self._known: dict[JobId, _Known] = {}
        self._head = 0

    @property
    def head(self) -> int:
        """Last block whose events were applied."""
        return self._head

    def apply(self, batch: EventBatch) -> None:
        """Move the rounds by what a cursor without confirmations read."""
        if batch.rewound_to is not None:
            self._known.clear()
        self._head = batch.head
        # What would be asked for again anyway; of jobs that ended, nobody asks.
        for job_id in [j for j, known in self._known.items() if self._is_old(known)]:
            del self._known[job_id]
        for log in batch.logs:
            if isinstance(log.event, ROUND_EVENTS):
                self._apply_event(log.event)

    def of(self, job_id: JobId, now: int) -> Round:
        """A job's round at a time; asks the chain if it is not known.

        Args:
            job_id: The job.
            now: Time of the latest block, Unix seconds.

        Raises:
            RpcUnavailable: It has to be asked for and the node fails.
        """
        known = self._known.get(job_id)
        if known is None:
            # At the block that events were read to: those that follow apply to it.
            current = self._source.round_of(job_id, block=self._head)
            known = self._known[job_id] = _Known(current, self._head)
        return round_at(known.current, now, reveal_window_seconds=self._window)

    def forget(self, job_ids: Iterable[JobId]) -> None:
        """Drop these, so that `of` asks the chain again."""
        for job_id in job_ids:
            self._known.pop(job_id, None)

    def _is_old(self, known: _Known) -> bool:
        return self._head - known.asked_at >= _TRUST_BLOCKS

    def _apply_event(self, event: Event) -> None:
        job_id: JobId = event.job_id  # type: ignore[attr-defined]
        known = self._known.get(job_id)
        current = round_after(None if known is None else known.current, event)
        if current is None:
            self._known.pop(job_id, None)
        elif known is None:
            self._known[job_id] = _Known(current, self._head)
        else:
            known.current = current
