"""Threads that compute while the worker goes on watching the chain.

Each takes a duty from prompts to an outcome. Most of the time it waits: for IPFS, or
for an engine that computes the requests of all threads together.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from protocol.host.backoff import Pauses
from worker.duties.computation import Computed
from worker.duty import Duty, DutyKey

__all__ = ["ComputeQueue", "Finished"]

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 8.0
# Before every deadline.
_FIRST = -1

Work = Callable[[], Computed]


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a duty's computation: a result or the error that ended it."""

    duty: Duty
    computed: Computed | None = None
    error: Exception | None = None
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class _Task:
    duty: Duty
    work: Work


@dataclass(order=True, frozen=True, slots=True)
class _Item:
    deadline: int
    order: int
    # None ends a thread.
    task: _Task | None = field(compare=False)


class ComputeQueue:
    """Runs computations, the most urgent first.

    The threads are daemons: a worker that stops does not wait for a computation, which
    is done again after the restart.
    """

    def __init__(
        self, *, threads: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start the threads.

        Args:
            threads: Most computations at a time.
            clock: Seconds that only go forward.
        """
        self._items: queue.PriorityQueue[_Item] = queue.PriorityQueue()
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._pending: set[DutyKey] = set()
        self._pauses = Pauses(
            first_seconds=_FIRST_PAUSE_SECONDS,
            longest_seconds=_LONGEST_PAUSE_SECONDS,
            clock=clock,
        )
        self._order = itertools.count()
        self._threads = threads
        for number in range(threads):
            name = f"compute-{number}"
            threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def waiting(self) -> int:
        """Computations that no thread has taken up."""
        return self._items.qsize()

    @property
    def count(self) -> int:
        """Computations that were submitted and not collected."""
        return len(self._pending)

    @property
    def has_finished(self) -> bool:
        """Whether there is something to collect. Safe from any thread."""
        return not self._finished.empty()

    def is_pending(self, key: DutyKey) -> bool:
        """Whether a duty's computation was submitted and not collected."""
        return key in self._pending

    def submit(self, duty: Duty, work: Work) -> None:
        """Queue a duty's computation unless it is queued or running already.

        One that failed is taken again after a pause, which doubles with each failure.
        """
        if duty.key in self._pending or self._pauses.is_paused(duty.key):
            return
        self._pending.add(duty.key)
        item = _Item(duty.commit_deadline, next(self._order), _Task(duty, work))
        self._items.put(item)

    def collect(self) -> list[Finished]:
        """Take what has finished since the last call."""
        finished = []
        while not self._finished.empty():
            one = self._finished.get()
            self._pending.discard(one.duty.key)
            if one.error is None:
                self._pauses.clear(one.duty.key)
            else:
                self._pauses.fail(one.duty.key)
            finished.append(one)
        return finished

    def close(self) -> None:
        """Let the threads end before they take up anything else; waits for none."""
        for _ in range(self._threads):
            self._items.put(_Item(_FIRST, next(self._order), None))

    def _run(self) -> None:
        while (task := self._items.get().task) is not None:
            started = time.monotonic()
            try:
                result = Finished(task.duty, computed=task.work())
            except Exception as error:  # handed to the worker's loop, which decides
                result = Finished(task.duty, error=error)
            seconds = time.monotonic() - started
            self._finished.put(replace(result, seconds=seconds))
