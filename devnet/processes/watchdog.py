"""Ends the supervisor's processes when the supervisor itself was killed.

Runs as a script of its own, in its own session, with a pipe from the supervisor as
standard input: `+PID` for a process group that was started, `-PID` for one that has
ended. When the pipe closes, what is left is killed, group by group. The supervisor's
end of the pipe closes however it ends, by SIGKILL too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable

__all__ = ["main", "remaining_groups"]


def remaining_groups(lines: Iterable[bytes]) -> list[int]:
    """The groups that were started and did not end, in the order they started."""
    groups: dict[int, None] = {}
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if not number.isdigit():
            continue
        if sign == b"+":
            groups[int(number)] = None
        else:
            groups.pop(int(number), None)
    return list(groups)


def main() -> None:
    """Read standard input to its end, then kill what remains."""
    # Ctrl-C and a closed terminal are the supervisor's to handle.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for group in reversed(remaining_groups(sys.stdin.buffer)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
