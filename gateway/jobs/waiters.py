"""Callers that wait for their call to end, told by whichever thread ends it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["Waiters"]


class Waiters:
    """Events of one event loop's tasks, by call."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._lock = threading.Lock()
        self._events: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]]
        self._events = {}

    @contextmanager
    def waiting(self, call_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the call moves on; for use in a task."""
        event = asyncio.Event()
        place = (asyncio.get_running_loop(), event)
        with self._lock:
            self._events.setdefault(call_id, []).append(place)
        try:
            yield event
        finally:
            with self._lock:
                places = self._events[call_id]
                places.remove(place)
                if not places:
                    del self._events[call_id]

    def wake(self, call_ids: Iterable[str]) -> None:
        """Tell whoever waits for these calls; from any thread."""
        with self._lock:
            places = [p for one in call_ids for p in self._events.get(one, ())]
        for loop, event in places:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def has(self, call_id: str) -> bool:
        """Whether anybody waits for a call."""
        with self._lock:
            return call_id in self._events

    def count(self) -> int:
        """Calls that somebody waits for."""
        with self._lock:
            return len(self._events)
