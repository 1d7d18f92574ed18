"""The parent's side of a benchmark process."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from benchmarks.errors import BenchmarkError

_LOG_LINES = 15
_CLOSE_SECONDS = 20


class EngineProcess:
    """A child process that holds one engine; see `benchmarks.engine.child`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        """Starts the process and does not wait for it.

        Args:
            name: How messages call it.
            command: Program and arguments.
            folder: Working directory.
            environment: All of the process's environment variables.
            log: File for what it writes to standard error.
        """
        self.name = name
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends the process."""
        self.close()

    def wait_until_ready(self) -> None:
        """Waits until the engine is loaded.

        Raises:
            BenchmarkError: It could not be loaded.
        """
        self._read()

    def call(self, operation: str, **arguments: object) -> Any:
        """Asks the engine for something and waits for the answer.

        Raises:
            BenchmarkError: The engine failed, or its process ended.
        """
        assert self._process.stdin is not None
        try:
            request = json.dumps({"operation": operation, **arguments})
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchmarkError(self._account("has ended")) from None
        return self._read()

    def close(self) -> None:
        """Lets the process end, and ends it when it does not."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(self._account("has ended"))
        reply = json.loads(line)
        if "error" in reply:
            raise BenchmarkError(self._account(f"failed: {reply['error']}"))
        return reply["result"]

    def _account(self, what: str) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:]
        return "\n".join([f"the engine {self.name} {what}", *lines])
