"""Ctrl-C that cannot get lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

__all__ = ["interruptible"]

_T = TypeVar("_T")


@contextmanager
def interruptible(watcher: Callable[[_T], None]) -> Iterator[Callable[[_T], None]]:
    """Makes a loop end with KeyboardInterrupt after Ctrl-C: at once, or a little later.

    Python raises it wherever the main thread is, and drops what is raised in a
    finalizer; there are such in every HTTP connection that is let go.

    Args:
        watcher: What the loop calls again and again.

    Yields:
        What to give the loop instead.
    """
    if threading.current_thread() is not threading.main_thread():
        yield watcher
        return
    was_asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal was_asked
        was_asked = True
        raise KeyboardInterrupt

    def watch(seen: _T) -> None:
        watcher(seen)
        if was_asked:
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield watch
    finally:
        signal.signal(signal.SIGINT, previous)
