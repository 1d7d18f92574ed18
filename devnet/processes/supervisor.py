"""Starts processes, waits until they are ready, watches them, and ends them all."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import devnet.processes.watchdog
from devnet.errors import DevnetError, NotReady, ProcessDied
from devnet.processes.process import Command, Process
from protocol.host.interrupts import Interrupts

__all__ = ["Supervisor", "describe_exit"]

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 10.0
_TAIL_LINES = 2
_SHOWN_CHARACTERS = 240
_Result = TypeVar("_Result")


class Supervisor:
    """A group of processes that end when the `with` block does, however it does.

    They also end when this process is killed: a watchdog holds the other end of a pipe.
    """

    def __init__(
        self,
        logs: Path,
        *,
        grace_seconds: float = _GRACE_SECONDS,
        takes_signals: bool = True,
    ) -> None:
        """Prepare.

        Args:
            logs: Folder of the log files.
            grace_seconds: How long a process may take to end after SIGTERM.
            takes_signals: Whether stop signals raise StopRequested in the block, as a
                command wants it; a library leaves them to who calls it.
        """
        self._logs = logs
        self._takes_signals = takes_signals
        self._grace_seconds = grace_seconds
        self._processes: list[Process] = []
        self._reported: set[int] = set()
        self._interrupts = Interrupts()
        self._watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Take over the stop signals, unless told not to, and start the watchdog."""
        if self._takes_signals:
            self._interrupts.install()
        with self._interrupts.shielded():
            self._watchdog = subprocess.Popen(
                [sys.executable, "-I", "-S", devnet.processes.watchdog.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process, then the watchdog."""
        self._interrupts.silence()
        try:
            self.stop_all()
        finally:
            if self._watchdog is not None:
                # The pipe closes, and nothing is left for it to kill.
                self._watchdog.communicate()
            self._interrupts.restore()

    @property
    def processes(self) -> Sequence[Process]:
        """What was started, in order; the ended ones too."""
        return tuple(self._processes)

    def start(self, command: Command) -> Process:
        """Start a process, without waiting until it is ready.

        Raises:
            DevnetError: The program cannot be run.
        """
        with self._interrupts.shielded():
            try:
                process = Process(command, self._logs)
            except OSError as error:
                raise DevnetError(
                    f"{command.name} cannot be started: {error}"
                ) from error
            # Only now, or a kill of this process in between would leave it alone.
            self._tell_watchdog(f"+{process.pid}")
            process.release()
            self._processes.append(process)
        return process

    def wait_until(
        self,
        what: str,
        probe: Callable[[], _Result | None],
        seconds: float,
        needs: Sequence[Process],
    ) -> _Result:
        """Ask `probe` again and again until it answers something true.

        Args:
            what: What is waited for, for the error.
            probe: Returns a false value as long as the answer is no.
            seconds: How long to wait at most.
            needs: Processes without which the answer will never come.

        Raises:
            NotReady: The time is up.
            ProcessDied: One of `needs` ended.
        """
        deadline = time.monotonic() + seconds
        while not (answer := probe()):
            for process in needs:
                if process.exit_code is not None:
                    self._reported.add(process.pid)
                    raise ProcessDied(describe_exit(process))
            if time.monotonic() >= deadline:
                logs = ", ".join(str(process.log) for process in needs)
                raise NotReady(f"{what}: not so after {seconds:g} s; see {logs}")
            time.sleep(_POLL_SECONDS)
        return answer

    def deaths(self) -> Iterator[Process]:
        """The processes that ended since the last call."""
        for process in self._processes:
            if process.exit_code is not None and process.pid not in self._reported:
                self._reported.add(process.pid)
                yield process

    def stop_all(self) -> None:
        """End what still runs: the stage started last first, with SIGKILL after a
        bound; nothing is left of their groups.
        """
        by_stage = sorted(self._processes, key=lambda p: p.command.stage, reverse=True)
        for _, stage in groupby(by_stage, key=lambda p: p.command.stage):
            self._stop(list(stage))

    def _stop(self, processes: Sequence[Process]) -> None:
        for process in reversed(processes):
            process.terminate()
        deadline = time.monotonic() + self._grace_seconds
        for process in processes:
            with contextlib.suppress(NotReady):
                process.wait(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.wait(self._grace_seconds)
            self._tell_watchdog(f"-{process.pid}")

    def _tell_watchdog(self, line: str) -> None:
        if self._watchdog is not None and self._watchdog.stdin is not None:
            # It ended only if somebody killed it: then this process ends its own.
            with contextlib.suppress(BrokenPipeError):
                self._watchdog.stdin.write(f"{line}\n".encode())
                self._watchdog.stdin.flush()


def describe_exit(process: Process) -> str:
    """Who ended, how, and its last words, on one line."""
    code = process.exit_code or 0
    how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
    lines = (line.strip() for line in process.tail(_TAIL_LINES))
    words = " | ".join(line[:_SHOWN_CHARACTERS] for line in lines)
    return f"{process.name} {how}; its last words: {words or '(none)'} ({process.log})"
