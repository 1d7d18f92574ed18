"""Which process works in a data folder, for commands that talk to it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from protocol.errors import AlreadyRunning, ConfigError

__all__ = ["RunRecord", "hold_data_dir", "running_in"]

_NAME = "run.json"
_MODE_PRIVATE_FOLDER = 0o700
# Whoever looks holds the lock for a moment.
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a running worker says of itself.

    Attributes:
        pid: Its process id.
        started_at: Unix time of its start.
        worker: Its address.
        monitor_url: Where its metrics are; empty if nowhere.
    """

    pid: int
    started_at: int
    worker: str
    monitor_url: str


@contextmanager
def hold_data_dir(data_dir: Path, record: RunRecord) -> Iterator[None]:
    """Say who works here; the system lets go when the process ends, however it does.

    Raises:
        AlreadyRunning: Another process works here.
        ConfigError: The folder cannot be written to.
    """
    try:
        data_dir.mkdir(_MODE_PRIVATE_FOLDER, parents=True, exist_ok=True)
        descriptor = os.open(data_dir / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(
            f"data folder {data_dir} cannot be written: {error.strerror}"
        ) from error
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        if not _locked(file, fcntl.LOCK_EX):
            raise AlreadyRunning(
                f"another worker runs in {data_dir}: stop it first, or give this one "
                "another --data-dir"
            )
        file.truncate(0)
        json.dump(asdict(record), file)
        file.flush()
        yield
        file.seek(0)
        file.truncate(0)


def running_in(data_dir: Path) -> RunRecord | None:
    """The process that works in a data folder; None if nobody does."""
    try:
        file = (data_dir / _NAME).open(encoding="utf-8")
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(file)
    return None


def _locked(file: IO[str], kind: int) -> bool:
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _read(file: IO[str]) -> RunRecord | None:
    for _ in range(_ATTEMPTS):
        file.seek(0)
        try:
            return RunRecord(**json.load(file))
        except (ValueError, TypeError):
            # Between taking the lock and signing it.
            time.sleep(_PAUSE_SECONDS)
    return None
