"""One supervised child process, in a session and process group of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devnet.errors import NotReady

__all__ = ["Command", "Process"]

_POLL_SECONDS = 0.02
_TAIL_BYTES = 16_384
_MODE_PRIVATE_FOLDER = 0o700
# Waits for a line before it becomes the program, and ends if there comes none.
_GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh")


@dataclass(frozen=True, slots=True)
class Command:
    """What to run.

    Attributes:
        name: How people call the process; also names its log file.
        argv: Program and arguments.
        stage: Processes of one stage are ended together; higher stages end first.
        environment: Variables set besides those of this process.
        folder: Working folder, made if missing; stray files land there.
    """

    name: str
    argv: tuple[str, ...]
    stage: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


class Process:
    """A running or ended child.

    Attributes:
        command: What was started.
        log: File that holds its standard output and error.
        pid: Its process id, which is its group's id too.
    """

    def __init__(self, command: Command, logs: Path) -> None:
        """Make the process; its program runs once `release` is called.

        Its output goes to `<logs>/<name>.log`, after earlier output. When this process
        is killed before the release, the program never runs.

        Raises:
            OSError: There is no such program.
        """
        if shutil.which(command.argv[0]) is None:
            missing = errno.ENOENT
            raise FileNotFoundError(missing, os.strerror(missing), command.argv[0])
        logs.mkdir(parents=True, exist_ok=True)
        if command.folder is not None:
            command.folder.mkdir(_MODE_PRIVATE_FOLDER, parents=True, exist_ok=True)
        self.command = command
        self.log = logs / f"{command.name}.log"
        with self.log.open("ab") as output:
            self._start = output.tell()
            self._child = subprocess.Popen(
                (*_GATE, *command.argv),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=command.folder,
                env={**os.environ, **command.environment},
                start_new_session=True,
            )
        self.pid = self._child.pid
        self._exit_code: int | None = None

    def release(self) -> None:
        """Let the program run."""
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.write(b"go\n")
                self._child.stdin.close()

    @property
    def name(self) -> str:
        """How people call it."""
        return self.command.name

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        if self._exit_code is None and self._has_ended():
            self._reap()
        return self._exit_code

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.exit_code is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and every process of its group at once (SIGKILL)."""
        if self._exit_code is None:
            self._kill_group()

    def wait(self, seconds: float) -> int:
        """Wait for its end.

        Returns:
            The exit code.

        Raises:
            NotReady: It still runs after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while self.exit_code is None:
            if time.monotonic() >= deadline:
                raise NotReady(f"{self.name} still runs after {seconds:g} s")
            time.sleep(_POLL_SECONDS)
        return self._exit_code or 0

    def output(self) -> str:
        """All that this process wrote so far."""
        with self.log.open("rb") as log:
            log.seek(self._start)
            return log.read().decode(errors="replace")

    def facts(self, event: str) -> list[dict[str, Any]]:
        """What it logged of an event, as JSON lines, oldest first."""
        lines = (line for line in self.output().splitlines() if line.startswith("{"))
        return [fact for fact in map(json.loads, lines) if fact.get("event") == event]

    def tail(self, lines: int) -> list[str]:
        """The last lines that this process wrote."""
        with self.log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._start, size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return [line for line in text.splitlines() if line.strip()][-lines:]

    def _has_ended(self) -> bool:
        # Without reaping: the process id stays taken, so a signal cannot go astray.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is not None

    def _reap(self) -> None:
        # What the process left behind in its group goes before its id is free again.
        self._kill_group()
        self._exit_code = self._child.wait()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
