"""Processes that belong to a test, told by a mark in their environment."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["MARK", "eventually", "marked_processes"]

MARK = "ASSAY_TEST_MARK"
_LIMIT_SECONDS = 30.0
_POLL_SECONDS = 0.05


def marked_processes(mark: str) -> dict[int, str]:
    """Command lines of the live processes that inherited a mark, by process id.

    Children inherit the environment whatever session or parent they have, so nothing
    that a command leaves behind is missed.
    """
    wanted = f"{MARK}={mark}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            # Ended meanwhile, or of another user.
            continue
        # Zombies have no command line left.
        if command and wanted in environment:
            found[int(entry.name)] = command.strip()
    return found


def eventually(condition: Callable[[], bool], seconds: float = _LIMIT_SECONDS) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
