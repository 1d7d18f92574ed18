from __future__ import annotations

import signal
import threading

import pytest

from requester.interrupts import interruptible


class _Finalized:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_interrupt_ends_a_loop_at_once() -> None:
    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt), interruptible(seen.append):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupt_that_python_drops_ends_a_loop_at_its_next_look() -> None:
    seen: list[int] = []
    with interruptible(seen.append) as watch:
        watch(1)
        finalized = _Finalized()
        del finalized
        with pytest.raises(KeyboardInterrupt):
            watch(2)
    assert seen == [1, 2]


def test_interruptible_gives_the_handler_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible(print):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_interruptible_on_another_thread_leaves_signals_alone() -> None:
    found: list[object] = []

    def use() -> None:
        with interruptible(print) as watch:
            found.append(watch)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert found == [print]
