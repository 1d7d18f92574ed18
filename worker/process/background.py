"""Threads for what the worker's loop must not wait for: computing, sending, storing.

What a task returns or raises comes back to the loop's own thread, so that only one
thread decides and writes to the journal.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["TaskPool"]

_THREADS = 16
# Before every task that waits.
_FIRST = float("-inf")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Task:
    key: Hashable
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]


@dataclass(order=True, frozen=True, slots=True)
class _Item:
    deadline: float
    order: int
    # None ends a thread.
    task: _Task | None = field(compare=False)


class TaskPool:
    """Runs tasks on threads, one at a time for each key, the most urgent first.

    The threads are daemons: a worker that stops waits neither for a computation, which
    is done again after the restart, nor for a transaction to be mined; whether it was,
    the chain says then.
    """

    def __init__(self, name: str = "background", *, threads: int = _THREADS) -> None:
        """Start the threads.

        Args:
            name: What their names begin with.
            threads: Most tasks at a time.
        """
        self._waiting: queue.PriorityQueue[_Item] = queue.PriorityQueue()
        self._ended: queue.SimpleQueue[tuple[_Task, Callable[[], None]]]
        self._ended = queue.SimpleQueue()
        self._keys: set[Hashable] = set()
        self._order = itertools.count()
        self._threads = threads
        for number in range(threads):
            threading.Thread(
                target=self._run, name=f"{name}-{number}", daemon=True
            ).start()

    @property
    def waiting(self) -> int:
        """Tasks that no thread has taken up."""
        return self._waiting.qsize()

    @property
    def count(self) -> int:
        """Tasks that were started and not collected."""
        return len(self._keys)

    @property
    def has_ended(self) -> bool:
        """Whether there is something to collect. Safe from any thread."""
        return not self._ended.empty()

    def is_running(self, key: Hashable) -> bool:
        """Whether a task of this key was started and not collected."""
        return key in self._keys

    def start(
        self,
        key: Hashable,
        work: Callable[[], _T],
        *,
        done: Callable[[_T], None],
        failed: Callable[[Exception], None],
        deadline: float = 0.0,
    ) -> bool:
        """Run something on a thread, unless a task of its key runs already.

        Args:
            key: What tells it apart.
            work: Called on a thread.
            done: Called by `collect` with what `work` returned.
            failed: Called by `collect` with what `work` raised.
            deadline: Of the tasks that wait, the one with the least comes first.

        Returns:
            Whether it was started.
        """
        if key in self._keys:
            return False
        self._keys.add(key)
        task = _Task(key, work, done, failed)
        self._waiting.put(_Item(deadline, next(self._order), task))
        return True

    def collect(self) -> None:
        """Call back, on this thread, for every task that has ended."""
        while not self._ended.empty():
            task, call_back = self._ended.get()
            self._keys.discard(task.key)
            call_back()

    def close(self) -> None:
        """Let the threads end before they take up anything else; waits for none."""
        for _ in range(self._threads):
            self._waiting.put(_Item(_FIRST, next(self._order), None))

    def _run(self) -> None:
        while (task := self._waiting.get().task) is not None:
            self._ended.put((task, _ended(task)))


def _ended(task: _Task) -> Callable[[], None]:
    """Runs a task; returns the call that tells of its end."""
    try:
        result = task.work()
    except Exception as error:  # handed to the loop, which decides
        failure = error
        return lambda: task.failed(failure)
    return lambda: task.done(result)
