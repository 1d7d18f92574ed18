"""A real PostgreSQL server for tests, from the programs that a wheel brings."""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

__all__ = ["PostgresServer"]

START_SECONDS = 60
STOP_SECONDS = 30
_POLL_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
# PostgreSQL refuses to run as root; this user is everywhere.
_PLAIN_USER = "nobody"
# A test's server need not outlive the machine.
_QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off")


class PostgresServer:
    """A server on a Unix socket, in a folder of its own that ends with it."""

    def __init__(self, *, is_durable: bool = False) -> None:
        """Prepare one.

        Args:
            is_durable: Whether it waits for the disk, as a production server does.
        """
        self._user = _PLAIN_USER if os.geteuid() == 0 else None
        self._options = () if is_durable else _QUICK
        # Short, for a socket's path is; not below pytest's folder, which only root
        # can enter.
        self._folder = Path(tempfile.mkdtemp(prefix="assay-pg-"))
        self._data = self._folder / "data"
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._programs = self._readable_programs()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement outside of any transaction; its rows, if it has any."""
        with self._connect() as connection:
            cursor = connection.execute(statement.encode())
            return [] if cursor.description is None else cursor.fetchall()

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """A database of its own, by its URL."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if not self._data.exists():
            self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")
        options = ("-k", str(self._folder), "-h", "", "-c", "max_connections=200")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self._programs / "postgres", "-D", self._data),
                    *options,
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._folder,
                preexec_fn=_end_with_parent,
            )
        self._wait_until_it_answers()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT orderly, SIGQUIT as a crash; connections break either way."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host=str(self._folder), user="postgres", dbname="postgres", autocommit=True
        )

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), "-D", str(self._data), *arguments]
        subprocess.run(
            [*command, "--locale=C"],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self._folder,
        )

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect().close()
                return
            except psycopg.OperationalError as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > end:
                    log = (self._folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"no PostgreSQL: {log[-2000:]}") from error
            time.sleep(_POLL_SECONDS)

    def _readable_programs(self) -> Path:
        """Where the programs are, for the user that runs them."""
        # Importing the package would warn and write into the user's folders.
        found = importlib.util.find_spec("pgserver")
        if found is None or found.origin is None:
            raise RuntimeError("pgserver is not installed: run `make setup`")
        installed = Path(found.origin).parent / "pginstall"
        if self._user is None or _can_read(self._user, installed / "bin" / "postgres"):
            return installed / "bin"
        copy = self._folder / "programs"
        shutil.copytree(installed, copy, symlinks=True)
        return copy / "bin"


def _can_read(user: str, path: Path) -> bool:
    command = ["test", "-x", str(path)]
    return subprocess.run(command, user=user, cwd="/", check=False).returncode == 0


def _end_with_parent() -> None:
    # Linux only; elsewhere an interrupted run may leave the server behind.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
