"""One process for each key and for each data folder, and which one it is.

Two with one key would commit twice and cost each other's bonds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from protocol.errors import AlreadyRunning, ConfigError
from protocol.host.file_lock import FileHeld, FileLock, holder_of
from protocol.host.private_files import make_private_folder

__all__ = ["RunRecord", "hold_data_dir", "hold_key", "running_in"]

_NAME = "run.json"
# Whoever looks holds the file for a moment.
_PATIENCE_SECONDS = 0.5
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
def hold_key(key_file: Path, *, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold the key file for this process; the system lets go when the process ends.

    Args:
        key_file: The key file.
        patience_seconds: How long to wait for a process that is about to end.

    Raises:
        AlreadyRunning: Another worker holds it.
        ConfigError: There is no such file.
    """
    try:
        lock = FileLock(key_file, patience_seconds=patience_seconds)
    except FileHeld as held:
        raise AlreadyRunning(
            f"another worker runs with key file {key_file}: stop it first, "
            "or give this one a key of its own"
        ) from held
    except OSError as error:
        raise ConfigError(
            f"key file {key_file} cannot be read: {error.strerror}"
        ) from error
    with lock:
        yield


@contextmanager
def hold_data_dir(data_dir: Path, record: RunRecord) -> Iterator[None]:
    """Say who works here; the system lets go when the process ends, however it does.

    Raises:
        AlreadyRunning: Another process works here.
        ConfigError: The folder cannot be written to.
    """
    says = json.dumps(asdict(record))
    make_private_folder(data_dir, "data folder")
    try:
        lock = FileLock(data_dir / _NAME, says=says, patience_seconds=_PATIENCE_SECONDS)
    except FileHeld as held:
        raise AlreadyRunning(
            f"another worker runs in {data_dir}: stop it first, or give this one "
            "another --data-dir"
        ) from held
    except OSError as error:
        raise ConfigError(
            f"data folder {data_dir} cannot be written: {error.strerror}"
        ) from error
    with lock:
        yield


def running_in(data_dir: Path) -> RunRecord | None:
    """The process that works in a data folder; None if nobody does."""
    for _ in range(_ATTEMPTS):
        holder = holder_of(data_dir / _NAME)
        if holder is None:
            break
        try:
            return RunRecord(**json.loads(holder))
        except (ValueError, TypeError):
            # Between taking the file and signing it.
            time.sleep(_PAUSE_SECONDS)
    return None
