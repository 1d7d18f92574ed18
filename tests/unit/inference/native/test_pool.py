"""The thread pool: idle between steps, right with any number of threads, after fork."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from inference.models.integer_model import Choice, Piece
from inference.native import NativeModel
from inference.profiles import W8A16
from tests.support.models.random_models import random_shape, random_tensors

GREEDY = Choice(0, 0, 1, 0)
SHAPE = random_shape(W8A16)
TENSORS = random_tensors(SHAPE, 1)

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="counts threads in /proc"
)


def answer(model: NativeModel, tokens: int = 12) -> list[int]:
    """Greedy continuation of one token."""
    sequence = model.open_sequence(tokens + 1)
    ids = [17]
    for place in range(tokens):
        ids += model.step([Piece(sequence, place, (ids[-1],))], [GREEDY])
    model.close_sequence(sequence)
    return ids


def own_threads() -> set[str]:
    return set(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("threads", [2, 3, 7, 64, 256])
def test_pool_any_number_of_threads_gives_the_same_answer(threads: int) -> None:
    with NativeModel(SHAPE, TENSORS) as single:
        expected = answer(single)

    with NativeModel(SHAPE, TENSORS, threads=threads) as model:
        assert [answer(model, 6) for _ in range(3)] == [expected[:7]] * 3


@needs_proc
def test_pool_closed_leaves_no_thread() -> None:
    before = own_threads()
    with NativeModel(SHAPE, TENSORS, threads=5) as model:
        answer(model, 2)
        assert len(own_threads() - before) == 4

    assert own_threads() == before


@needs_proc
def test_pool_between_steps_sleeps() -> None:
    """Spinning threads would go on using CPU time after the step."""
    before = own_threads()
    with NativeModel(SHAPE, TENSORS, threads=3) as model:
        answer(model, 3)
        workers = own_threads() - before
        assert len(workers) == 2

        # A thread on its way to sleep may still run; one that spins never stops.
        states = dict.fromkeys(workers, "R")
        for _ in range(100_000):
            states = {worker: state_of(worker) for worker in workers}
            if set(states.values()) == {"S"}:
                break

        assert set(states.values()) == {"S"}


def state_of(thread: str) -> str:
    stat = Path(f"/proc/self/task/{thread}/stat").read_text()
    return stat.rpartition(")")[2].split()[0]


@needs_proc
def test_pool_threads_leave_signals_to_the_program() -> None:
    before = own_threads()
    with NativeModel(SHAPE, TENSORS, threads=2):
        (worker,) = own_threads() - before
        status = Path(f"/proc/self/task/{worker}/status").read_text()

    blocked = int(status.partition("SigBlk:")[2].split()[0], 16)
    interrupt, terminate = 2, 15
    assert blocked >> (interrupt - 1) & 1
    assert blocked >> (terminate - 1) & 1


def test_pool_after_fork_works_in_the_child() -> None:
    """Threads do not survive a fork; waiting for them would never end."""
    with NativeModel(SHAPE, TENSORS, threads=3) as model:
        expected = answer(model)
        child = os.fork()
        if child == 0:
            right = answer(model) == expected
            model.close()
            os._exit(0 if right else 1)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        assert answer(model) == expected


def test_model_called_by_two_threads_serves_one_after_the_other() -> None:
    answers: list[list[int]] = []
    with NativeModel(SHAPE, TENSORS, threads=2) as model:
        expected = answer(model)
        callers = [
            threading.Thread(target=lambda: answers.append(answer(model)))
            for _ in range(4)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    assert answers == [expected] * 4
