"""Ctrl-C, SIGTERM and a closed terminal as one exception, raised where it is safe."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupts", "StopRequested"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked this process to end.

    No `Exception`, so that nothing takes it for a failure and carries on.

    Attributes:
        signal_number: The signal that asked.
    """

    def __init__(self, signal_number: int) -> None:
        """Name the signal."""
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class Interrupts:
    """Raises StopRequested in the main thread when a stop signal comes."""

    def __init__(self) -> None:
        """Nothing is installed before `install`."""
        self._previous: dict[signal.Signals, Any] = {}
        self._pending: int | None = None
        self._shields = 0

    def install(self) -> None:
        """Take over the stop signals; without effect outside of the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {n: signal.signal(n, self._on_signal) for n in _SIGNALS}

    def restore(self) -> None:
        """Give the stop signals back."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Hold a signal back until the block has ended."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if self._pending is not None and not self._shields:
            raise StopRequested(self._pending)

    def silence(self) -> None:
        """Ignore stop signals from now on: the process is stopping already."""
        self._shields += 1

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._pending is None:
            self._pending = number
            if not self._shields:
                raise StopRequested(number)
