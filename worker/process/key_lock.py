"""One process for each key: two would commit twice and cost each other's bonds."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from protocol.errors import AlreadyRunning, ConfigError

__all__ = ["hold_key"]

_POLL_SECONDS = 0.05


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
    deadline = time.monotonic() + patience_seconds
    try:
        file = key_file.open("rb")
    except OSError as error:
        raise ConfigError(
            f"key file {key_file} cannot be read: {error.strerror}"
        ) from error
    with file:
        while not _takes(file):
            if time.monotonic() >= deadline:
                raise AlreadyRunning(
                    f"another worker runs with key file {key_file}: stop it first, "
                    "or give this one a key of its own"
                )
            time.sleep(_POLL_SECONDS)
        yield


def _takes(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
