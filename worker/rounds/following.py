"""How jobs stand on the chain, kept up by events instead of asked for each time.

A round is asked for once, at the block up to which events were read, and then moved by
every event that follows. A reorganisation, or a call that the contract refused, makes
the worker ask again; so does age, for whoever holds a bond trusts nothing for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from protocol.chain.cursor import EventBatch
from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobCancelled,
    JobSettled,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
)
from protocol.market.types import JobId, JobState, Round

__all__ = ["ROUND_EVENTS", "RoundSource", "Rounds", "round_after", "round_at"]

ROUND_EVENTS: tuple[type[Event], ...] = (
    DrawArmed,
    CommitteeDrawn,
    ResultCommitted,
    RevealOpened,
    ResultRevealed,
    JobSettled,
    JobCancelled,
)
# Blocks after which the chain is asked again.
_TRUST_BLOCKS = 64
_NO_RECORD = bytes(32)


class RoundSource(Protocol):
    """Where rounds are asked for; `MarketReader` is one."""

    def round_of(self, job_id: JobId, *, block: int) -> Round:
        """State and round of a job at a block."""
        ...


@dataclass(slots=True)
class _Known:
    current: Round
    asked_at: int


def round_after(current: Round | None, event: Event) -> Round | None:
    """A job's round after one more of its events.

    Args:
        current: The round before; None if nothing is known.
        event: One of `ROUND_EVENTS`, of this job.

    Returns:
        The round, or None if it is over or cannot be told.
    """
    if isinstance(event, DrawArmed):
        return _open(event)
    if isinstance(event, CommitteeDrawn):
        return _drawn(event)
    if isinstance(event, JobSettled | JobCancelled) or current is None:
        return None
    if isinstance(event, ResultCommitted):
        return replace(current, committed=current.committed | 1 << event.place)
    if isinstance(event, ResultRevealed):
        return replace(current, revealed=current.revealed | 1 << event.place)
    if isinstance(event, RevealOpened):
        return replace(
            current, state=JobState.REVEALING, deadline=event.reveal_deadline
        )
    raise TypeError(f"{type(event).__name__} moves no round")


def round_at(current: Round, now: int, *, reveal_window_seconds: int) -> Round:
    """The round as time alone has moved it since the last event.

    Args:
        current: The round after its last event.
        now: Time of the latest block, Unix seconds.
        reveal_window_seconds: The market's.
    """
    is_over = current.state is JobState.COMMITTING and now > current.deadline
    if not is_over or not current.committed:
        return current
    deadline = current.deadline + reveal_window_seconds
    return replace(current, state=JobState.REVEALING, deadline=deadline)


class Rounds:
    """The rounds of jobs that somebody asked about, and of those posted since."""

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
        """Ask again for these, if anybody asks for them."""
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


def _open(event: DrawArmed) -> Round:
    return Round(
        state=JobState.OPEN,
        number=event.round,
        seed_block=event.seed_block,
        expiry_block=event.expiry_block,
        deadline=0,
        seat_ids=(),
        committed=0,
        revealed=0,
        record=_NO_RECORD,
        is_delivered=False,
    )


def _drawn(event: CommitteeDrawn) -> Round:
    return Round(
        state=JobState.COMMITTING,
        number=event.round,
        seed_block=0,
        expiry_block=0,
        deadline=event.commit_deadline,
        seat_ids=event.seat_ids,
        committed=0,
        revealed=0,
        record=_NO_RECORD,
        is_delivered=False,
    )
