"""Text as a terminal shows it."""

from __future__ import annotations

__all__ = ["duration", "one_line", "printable"]


def one_line(text: object) -> str:
    """A message without line breaks, runs of spaces as one."""
    return " ".join(str(text).split())


def printable(text: str) -> str:
    """A text without characters that would command the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def duration(seconds: float) -> str:
    """A time span in its two largest units, such as `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
