"""One continuous batch for any number of threads.

A thread of its own computes step after step. Whoever submits requests joins at the
next token and leaves as soon as its answers are complete, so many small jobs share
what a step costs. Answers are those that each request would get alone.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from inference.engine import Generation, GenerationRequest, ModelLimits
from inference.engines.integer_engine import IntegerEngine

Answers = Future[list[Generation]]


class BatchingEngine:
    """An `Engine` that may be used by many threads at a time."""

    def __init__(self, engine: IntegerEngine) -> None:
        """Starts the thread, a daemon: what is not finished ends with the process.

        Args:
            engine: What computes; nobody else may use it from now on.
        """
        self._engine = engine
        self._scheduler = engine.scheduler
        self._arrivals: SimpleQueue[tuple[Sequence[GenerationRequest], Answers]] = (
            SimpleQueue()
        )
        self._running: dict[int, Answers] = {}
        self._cpu_seconds = 0.0
        threading.Thread(target=self._run, name="engine", daemon=True).start()

    @property
    def profile(self) -> str:
        """Name of the model's integer profile."""
        return self._engine.profile

    @property
    def limits(self) -> ModelLimits:
        """What the loaded model accepts."""
        return self._engine.limits

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the thread that computes; helpers of the model not counted."""
        return self._cpu_seconds

    @property
    def running(self) -> int:
        """Submissions that have joined the batch and are not answered yet."""
        return len(self._running)

    def submit(self, requests: Sequence[GenerationRequest]) -> Answers:
        """Hands requests over and returns at once.

        Args:
            requests: They are checked when they join.

        Returns:
            A future of all answers, in order. It raises what `generate` raises. One
            that is cancelled leaves the batch at the next token.
        """
        answers: Answers = Future()
        self._arrivals.put((tuple(requests), answers))
        return answers

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Answers every request, in order; waits until all are complete.

        Raises:
            InvalidRequest: A request is malformed or beyond the model's limits.
            CacheOverflow: A request alone needs more than the engine's cache.
        """
        answers = self.submit(requests)
        try:
            return answers.result()
        finally:
            # After an interrupt; else there is nothing left to cancel.
            answers.cancel()

    # ---- the thread

    def _run(self) -> None:
        while True:
            self._admit()
            try:
                self._scheduler.run_step()
            except Exception as error:
                # The scheduler dropped them all; whoever waits decides what to do.
                self._fail_all(error)
            self._hand_over()
            self._cpu_seconds = time.thread_time()

    def _admit(self) -> None:
        """Takes in what has arrived; waits for something when there is nothing."""
        is_idle = not self._running
        while True:
            try:
                requests, answers = self._arrivals.get(block=is_idle)
            except Empty:
                return
            self._join(requests, answers)
            is_idle = False

    def _join(self, requests: Sequence[GenerationRequest], answers: Answers) -> None:
        if answers.cancelled():
            return
        try:
            handle = self._scheduler.submit(requests)
        except Exception as error:
            _fail(answers, error)
        else:
            self._running[handle] = answers

    def _hand_over(self) -> None:
        for handle, generations in self._scheduler.take_finished().items():
            # None if the step that completed them failed afterwards.
            answers = self._running.pop(handle, None)
            if answers is not None and answers.set_running_or_notify_cancel():
                answers.set_result(generations)
        for handle, answers in list(self._running.items()):
            if answers.cancelled():
                self._scheduler.cancel(handle)
                del self._running[handle]

    def _fail_all(self, error: Exception) -> None:
        for answers in self._running.values():
            _fail(answers, error)
        self._running.clear()


def _fail(answers: Answers, error: Exception) -> None:
    if answers.set_running_or_notify_cancel():
        answers.set_exception(error)
