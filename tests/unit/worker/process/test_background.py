from __future__ import annotations

import threading

from tests.support.machines.processes import eventually
from worker.process.background import Errands


def test_settle_tells_on_its_own_thread_what_ended_and_how() -> None:
    errands = Errands(threads=2)
    told: list[tuple[str, object, int]] = []

    def note(what: str, value: object) -> None:
        told.append((what, value, threading.get_ident()))

    def fail() -> int:
        raise ValueError("no")

    for key, work in (("good", lambda: 5), ("bad", fail)):
        errands.start(
            key,
            work,
            done=lambda value: note("done", value),
            failed=lambda error: note("failed", str(error)),
        )
    assert eventually(lambda: _settled(errands))
    errands.close()

    here = threading.get_ident()
    assert sorted(told, key=str) == [("done", 5, here), ("failed", "no", here)]


def test_start_while_the_key_runs_does_nothing() -> None:
    errands = Errands(threads=2)
    gate = threading.Event()
    done: list[bool] = []

    def start() -> bool:
        return errands.start(
            "key", lambda: gate.wait(30), done=done.append, failed=_refuse
        )

    assert start() and not start()
    assert errands.is_running("key") and errands.count == 1
    gate.set()
    assert eventually(lambda: _settled(errands))
    assert done == [True]
    assert start()
    assert eventually(lambda: _settled(errands))
    errands.close()


def test_close_lets_the_threads_end() -> None:
    others = set(threading.enumerate())
    errands = Errands(threads=3)
    own = set(threading.enumerate()) - others
    assert len(own) == 3
    errands.close()

    assert eventually(lambda: not any(thread.is_alive() for thread in own))


def _settled(errands: Errands) -> bool:
    errands.settle()
    return errands.count == 0


def _refuse(error: Exception) -> None:
    raise AssertionError(error)
