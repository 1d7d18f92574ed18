"""What a check of `assay doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level", "bad", "fine", "odd"]


class Level(StrEnum):
    """How bad it is."""

    FINE = "ok"
    ODD = "odd"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: Whether jobs can be served all the same.
        what: What was looked at, in a word or two.
        fact: What is so.
        advice: What to do; empty when all is well.
    """

    level: Level
    what: str
    fact: str
    advice: str = ""


def fine(what: str, fact: str) -> Finding:
    """All is well."""
    return Finding(Level.FINE, what, fact)


def odd(what: str, fact: str, advice: str) -> Finding:
    """Jobs are served, but the operator should know."""
    return Finding(Level.ODD, what, fact, advice)


def bad(what: str, fact: str, advice: str) -> Finding:
    """Jobs cannot be served, or money is in danger."""
    return Finding(Level.BAD, what, fact, advice)
