from __future__ import annotations

import threading

from tests.support.machines.processes import eventually
from worker.process.background import TaskPool


def test_collect_tells_on_its_own_thread_what_ended_and_how() -> None:
    background = TaskPool(threads=2)
    told: list[tuple[str, object, int]] = []

    def note(what: str, value: object) -> None:
        told.append((what, value, threading.get_ident()))

    def fail() -> int:
        raise ValueError("no")

    for key, work in (("good", lambda: 5), ("bad", fail)):
        background.start(
            key,
            work,
            done=lambda value: note("done", value),
            failed=lambda error: note("failed", str(error)),
        )
    assert eventually(lambda: _settled(background))
    background.close()

    here = threading.get_ident()
    assert sorted(told, key=str) == [("done", 5, here), ("failed", "no", here)]


def test_start_while_the_key_runs_does_nothing() -> None:
    background = TaskPool(threads=2)
    gate = threading.Event()
    done: list[bool] = []

    def start() -> bool:
        return background.start(
            "key", lambda: gate.wait(30), done=done.append, failed=_refuse
        )

    assert start() and not start()
    assert background.is_running("key") and background.count == 1
    gate.set()
    assert eventually(lambda: _settled(background))
    assert done == [True]
    assert start()
    assert eventually(lambda: _settled(background))
    background.close()


def test_start_runs_the_most_urgent_first_and_equals_in_order() -> None:
    background = TaskPool(threads=1)
    gate = threading.Event()
    ended: list[str] = []
    background.start(
        "first", lambda: gate.wait(30), done=lambda _: None, failed=_refuse
    )
    assert eventually(lambda: background.waiting == 0)
    for name, deadline in (("late", 30), ("soon", 20), ("soon too", 20)):
        background.start(
            name,
            lambda name=name: name,  # type: ignore[misc]
            done=ended.append,
            failed=_refuse,
            deadline=deadline,
        )
    gate.set()
    assert eventually(lambda: _settled(background))
    assert ended == ["soon", "soon too", "late"]
    background.close()


def test_close_lets_the_threads_end() -> None:
    others = set(threading.enumerate())
    background = TaskPool(threads=3)
    own = set(threading.enumerate()) - others
    assert len(own) == 3
    background.close()

    assert eventually(lambda: not any(thread.is_alive() for thread in own))


def _settled(background: TaskPool) -> bool:
    background.collect()
    return background.count == 0


def _refuse(error: Exception) -> None:
    raise AssertionError(error)
