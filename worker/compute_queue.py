"""One thread that computes while the worker goes on watching the chain."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from worker.computation import Computed
from worker.pipeline import Duty

__all__ = ["ComputeQueue", "Finished"]

Work = Callable[[], Computed]


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a duty's computation: a result or the error that ended it."""

    duty: Duty
    computed: Computed | None = None
    error: Exception | None = None
    seconds: float = field(default=0.0, compare=False)


@dataclass(order=True, frozen=True, slots=True)
class _Item:
    deadline: int
    order: int
    duty: Duty = field(compare=False)
    work: Work = field(compare=False)


class ComputeQueue:
    """Runs computations one after the other, the most urgent first.

    The thread is a daemon: a worker that stops does not wait for a computation, which
    is done again after the restart.
    """

    def __init__(self) -> None:
        """Start the thread."""
        self._items: queue.PriorityQueue[_Item] = queue.PriorityQueue()
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._pending: set[tuple[bytes, int]] = set()
        self._order = itertools.count()
        threading.Thread(target=self._run, name="compute", daemon=True).start()

    def submit(self, duty: Duty, work: Work) -> None:
        """Queue a duty's computation unless it is queued or running already."""
        key = (duty.job_id, duty.round_number)
        if key in self._pending:
            return
        self._pending.add(key)
        item = _Item(duty.commit_deadline, next(self._order), duty, work)
        self._items.put(item)

    def collect(self) -> list[Finished]:
        """Take what has finished since the last call."""
        finished = []
        while not self._finished.empty():
            one = self._finished.get()
            self._pending.discard((one.duty.job_id, one.duty.round_number))
            finished.append(one)
        return finished

    def _run(self) -> None:
        while True:
            item = self._items.get()
            started = time.monotonic()
            try:
                result = Finished(item.duty, computed=item.work())
            except Exception as error:  # handed to the worker's loop, which decides
                result = Finished(item.duty, error=error)
            seconds = time.monotonic() - started
            self._finished.put(replace(result, seconds=seconds))
