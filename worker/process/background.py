"""Threads for what the worker's loop must not wait for: transactions, publishing.

What an errand returns or raises comes back to the loop's own thread, so that only one
thread decides and writes to the journal.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Errands"]

_THREADS = 16

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Errand:
    key: Hashable
    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]


@dataclass(frozen=True, slots=True)
class _Ended:
    errand: _Errand
    result: Any = None
    error: Exception | None = None


class Errands:
    """Runs errands, one at a time for each key.

    The threads are daemons: a worker that stops does not wait for a transaction to be
    mined; whether it was, the chain says after the restart.
    """

    def __init__(self, *, threads: int = _THREADS) -> None:
        """Start the threads."""
        # None ends a thread.
        self._waiting: queue.SimpleQueue[_Errand | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._keys: set[Hashable] = set()
        self._threads = threads
        for number in range(threads):
            name = f"errand-{number}"
            threading.Thread(target=self._run, name=name, daemon=True).start()

    @property
    def count(self) -> int:
        """Errands that were started and not settled."""
        return len(self._keys)

    @property
    def has_ended(self) -> bool:
        """Whether there is something to settle. Safe from any thread."""
        return not self._ended.empty()

    def is_running(self, key: Hashable) -> bool:
        """Whether an errand of this key was started and not settled."""
        return key in self._keys

    def start(
        self,
        key: Hashable,
        work: Callable[[], _T],
        *,
        done: Callable[[_T], None],
        failed: Callable[[Exception], None],
    ) -> bool:
        """Run something on a thread, unless an errand of its key runs already.

        Args:
            key: What tells it apart.
            work: Called on a thread.
            done: Called by `settle` with what `work` returned.
            failed: Called by `settle` with what `work` raised.

        Returns:
            Whether it was started.
        """
        if key in self._keys:
            return False
        self._keys.add(key)
        self._waiting.put(_Errand(key, work, done, failed))
        return True

    def settle(self) -> None:
        """Tell whoever started them of the errands that have ended."""
        while not self._ended.empty():
            ended = self._ended.get()
            self._keys.discard(ended.errand.key)
            if ended.error is None:
                ended.errand.done(ended.result)
            else:
                ended.errand.failed(ended.error)

    def close(self) -> None:
        """Let the threads end once they have nothing to do; waits for none."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _run(self) -> None:
        while (errand := self._waiting.get()) is not None:
            try:
                ended = _Ended(errand, result=errand.work())
            except Exception as error:  # handed to the loop, which decides
                ended = _Ended(errand, error=error)
            self._ended.put(ended)
