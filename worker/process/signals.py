"""How a worker process is told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

from protocol.errors import WaitTimedOut
from worker.process.data_dir import running_in

__all__ = ["Stop", "drain_process", "stop_on_signals"]

_POLL_SECONDS = 0.1


class Stop(threading.Event):
    """Whether to drain and, once set, to stop at once.

    May be used from any thread and from signal handlers.
    """

    def __init__(self) -> None:
        """Nothing is asked for yet."""
        super().__init__()
        self._drain = threading.Event()
        self._closes_seats = False

    @property
    def is_draining(self) -> bool:
        """Whether to take nothing new, finish, and stop then."""
        return self._drain.is_set()

    @property
    def closes_seats(self) -> bool:
        """Whether the seats are to be given up while draining."""
        return self._closes_seats

    def drain(self, *, closes_seats: bool) -> None:
        """Ask to finish first; asking again can add that the seats are given up."""
        self._closes_seats = self._closes_seats or closes_seats
        self._drain.set()


def stop_on_signals(*, on_stop: str = "now") -> Stop:
    """What Ctrl-C and SIGTERM ask for; SIGUSR1 always asks to drain and give up seats.

    Args:
        on_stop: What the first signal asks for: `leave` drains and gives up the seats,
            `finish` drains and keeps them, `now` lets the step under way end, which
            may wait for a transaction. After a drain was asked for, the next signal
            means now, and the one after that ends the process at once.
    """
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        if on_stop == "now" or stop.is_draining:
            stop.set()
        else:
            stop.drain(closes_seats=on_stop == "leave")

    def leave(number: int, frame: FrameType | None) -> None:
        stop.drain(closes_seats=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    signal.signal(signal.SIGUSR1, leave)
    return stop


def drain_process(data_dir: Path, *, limit_seconds: float) -> bool:
    """Ask the worker of a data folder to drain and give up its seats; wait for its end.

    Returns:
        Whether there was one.

    Raises:
        WaitTimedOut: It has not ended in time, and goes on draining.
    """
    run = running_in(data_dir)
    if run is None:
        return False
    os.kill(run.pid, signal.SIGUSR1)
    deadline = time.monotonic() + limit_seconds
    while running_in(data_dir) is not None:
        if time.monotonic() > deadline:
            raise WaitTimedOut(
                f"the worker (process {run.pid}) drains still after {limit_seconds:g} "
                "s: see `assay worker status`"
            )
        time.sleep(_POLL_SECONDS)
    return True
