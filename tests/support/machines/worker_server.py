"""Forks worker processes: starting one takes a fraction of what importing it takes.

Run as a program it reads a line of JSON for each worker to start and writes one for
each that started or ended. Each worker is a process of its own that runs
`worker.run.run_worker` with real signals, files and connections.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.machines.processes import eventually

__all__ = ["WorkerProcess", "WorkerServer"]

_POLL_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1
_START_SECONDS = 120.0


@dataclass(slots=True)
class WorkerProcess:
    """A worker that was started.

    Attributes:
        pid: Its process id.
        log: File with its log, a line of JSON an event.
        status: How it ended: negative for a signal; None while it runs.
    """

    pid: int
    log: Path
    status: int | None = None

    @property
    def is_running(self) -> bool:
        return self.status is None

    def kill(self) -> None:
        """Ends it as when power fails."""
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        if self.is_running:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 60.0) -> int:
        assert eventually(lambda: self.status is not None, seconds), self.tail()
        assert self.status is not None
        return self.status

    def events(self) -> list[dict[str, Any]]:
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


@dataclass(slots=True)
class WorkerServer:
    """The forking process; everything it started ends with it."""

    _process: subprocess.Popen[str] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _started: list[int] = field(default_factory=list)
    _ended: dict[int, int] = field(default_factory=dict)
    _running: dict[int, WorkerProcess] = field(default_factory=dict)
    _reader: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.machines.worker_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in list(self._running.values()):
            worker.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._reader.join(30)

    def start(
        self, settings: dict[str, Any], log: Path, *, crash_at: str | None = None
    ) -> WorkerProcess:
        """A worker with these settings; one that is to crash says where."""
        request = {"settings": settings, "log": str(log), "crash_at": crash_at}
        with self._lock:
            before = len(self._started)
            assert self._process.stdin is not None
            log.touch()
            self._process.stdin.write(json.dumps(request, default=str) + "\n")
            self._process.stdin.flush()
            # The first answer comes after all is imported.
            assert eventually(lambda: len(self._started) > before, _START_SECONDS)
            worker = WorkerProcess(self._started[before], log)
            self._running[worker.pid] = worker
            worker.status = self._ended.get(worker.pid)
        return worker

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._note(json.loads(line))

    def _note(self, told: dict[str, int]) -> None:
        pid = told["pid"]
        if "status" not in told:
            self._started.append(pid)
            return
        self._ended[pid] = told["status"]
        if pid in self._running:
            self._running[pid].status = told["status"]


# ---- the program


def _serve() -> None:
    import worker.run  # noqa: F401

    waiting = b""
    while True:
        ready, _, _ = select.select([0], [], [], _POLL_SECONDS)
        if ready:
            data = os.read(0, 65_536)
            if not data:
                return
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                _tell(pid=_fork(json.loads(line)))
        _reap()


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _tell(pid=pid, status=os.waitstatus_to_exitcode(status))


def _tell(**facts: int) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _work(request)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _work(request: dict[str, Any]) -> None:
    from protocol.host.crash_points import CRASH_AT_VARIABLE
    from protocol.host.log_format import configure_logging
    from worker.process.signals import stop_on_signals
    from worker.run import run_worker
    from worker.settings import WorkerSettings

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.pop(CRASH_AT_VARIABLE, None)
    if request["crash_at"] is not None:
        os.environ[CRASH_AT_VARIABLE] = request["crash_at"]
    configure_logging(as_json=True)
    run_worker(WorkerSettings.load(**request["settings"]), stop_on_signals())


if __name__ == "__main__":
    _serve()
