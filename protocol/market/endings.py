"""What a job ended with, from its events: all that its callback's delivery needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.market.events import JobSettled, Log, ResultAccepted, ResultRevealed
from protocol.market.types import Outcome

__all__ = ["ENDING_EVENTS", "Ending", "ending_of"]

ENDING_EVENTS = (ResultRevealed, ResultAccepted, JobSettled)
"""The events that `ending_of` reads."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended.

    Attributes:
        outcome: The accepted one; `Outcome.none()` of a Failed job.
        transcript: Hash of what its committees did.
    """

    outcome: Outcome
    transcript: bytes


def ending_of(logs: Iterable[Log]) -> Ending | None:
    """The end of a job.

    Args:
        logs: Its events, others among them do not matter.

    Returns:
        The end; None if the job has none yet, or was cancelled.
    """
    events = [log.event for log in logs]
    settled = [event for event in events if isinstance(event, JobSettled)]
    if not settled:
        return None
    answers = {event.answer for event in events if isinstance(event, ResultAccepted)}
    outcomes = (event.outcome for event in events if isinstance(event, ResultRevealed))
    accepted = next((o for o in outcomes if o.answer() in answers), Outcome.none())
    return Ending(accepted, settled[-1].transcript)
