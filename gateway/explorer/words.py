"""How pages write states, times and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from gateway.indexer.projection import Verdict
from protocol.market.types import JobState

__all__ = [
    "Moment",
    "Tone",
    "decimal",
    "job_state",
    "seconds",
    "verdict",
    "whole",
]


@dataclass(frozen=True, slots=True)
class Tone:
    """A word with its colour; the colour says nothing that the word does not.

    Attributes:
        label: The word.
        tone: `good`, `bad`, `wait` or nothing.
    """

    label: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time.

    Attributes:
        iso: For programs.
        shown: For people, in UTC.
    """

    iso: str
    shown: str

    @classmethod
    def at(cls, unix: int | None) -> Self | None:
        """The time of so many seconds; None of None."""
        if unix is None:
            return None
        time = datetime.fromtimestamp(unix, UTC)
        return cls(time.isoformat(), time.strftime("%Y-%m-%d %H:%M:%S"))


_STATES = {
    JobState.OPEN: "wait",
    JobState.COMMITTING: "wait",
    JobState.REVEALING: "wait",
    JobState.ACCEPTED: "good",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "",
}
_VERDICTS = {
    Verdict.VACANT: Tone("vacant"),
    Verdict.PENDING: Tone("not yet", "wait"),
    Verdict.AGREED: Tone("agreed", "good"),
    Verdict.DISAGREED: Tone("other answer"),
    Verdict.UNAVAILABLE: Tone("had no prompts"),
    Verdict.NO_SHOW: Tone("no-show", "bad"),
    Verdict.NOT_REVEALED: Tone("not revealed", "bad"),
    Verdict.WRONG_RESULT: Tone("wrong result", "bad"),
}


def job_state(state: JobState) -> Tone:
    """A job's state."""
    return Tone(state.label, _STATES.get(state, ""))


def verdict(found: Verdict) -> Tone:
    """What came of a place on a committee."""
    return _VERDICTS[found]


def whole(number: int) -> str:
    """A count with its thousands apart."""
    return f"{number:,}"


def decimal(number: float | None, places: int = 1) -> str:
    """A measured number; a dash where there is none."""
    return "–" if number is None else f"{number:,.{places}f}"


def seconds(number: float | None) -> str:
    """A length of time."""
    return "–" if number is None else f"{number:,.1f} s"
