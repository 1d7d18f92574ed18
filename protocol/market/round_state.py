"""How a job's round stands after each of its events, and as time goes by."""

from __future__ import annotations

from dataclasses import replace

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
from protocol.market.types import JobState, Round

__all__ = ["ROUND_EVENTS", "round_after", "round_at"]

ROUND_EVENTS: tuple[type[Event], ...] = (
    DrawArmed,
    CommitteeDrawn,
    ResultCommitted,
    RevealOpened,
    ResultRevealed,
    JobSettled,
    JobCancelled,
)


def round_after(current: Round | None, event: Event) -> Round | None:
    """A job's round after one more of its events.

    Args:
        current: The round before; None if nothing is known.
        event: One of `ROUND_EVENTS`, of this job.

    Returns:
        The round, or None if it is over or cannot be told.

    Raises:
        TypeError: It is an event of another kind.
    """
    match event:
        case DrawArmed():
            return _fresh(
                JobState.OPEN,
                event.round,
                seed_block=event.seed_block,
                expiry_block=event.expiry_block,
            )
        case CommitteeDrawn():
            return _fresh(
                JobState.COMMITTING,
                event.round,
                deadline=event.commit_deadline,
                seat_ids=event.seat_ids,
            )
        case JobSettled() | JobCancelled():
            return None
    return None if current is None else _moved(current, event)


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


def _moved(current: Round, event: Event) -> Round:
    match event:
        case ResultCommitted():
            return replace(current, committed=current.committed | 1 << event.place)
        case ResultRevealed():
            return replace(current, revealed=current.revealed | 1 << event.place)
        case RevealOpened():
            deadline = event.reveal_deadline
            return replace(current, state=JobState.REVEALING, deadline=deadline)
    raise TypeError(f"{type(event).__name__} moves no round")


def _fresh(
    state: JobState,
    number: int,
    *,
    seed_block: int = 0,
    expiry_block: int = 0,
    deadline: int = 0,
    seat_ids: tuple[int, ...] = (),
) -> Round:
    return Round(
        state=state,
        number=number,
        seed_block=seed_block,
        expiry_block=expiry_block,
        deadline=deadline,
        seat_ids=seat_ids,
        committed=0,
        revealed=0,
        record=bytes(32),
        is_delivered=False,
    )
