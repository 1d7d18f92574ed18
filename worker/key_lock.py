"""One process for each key: two would commit twice and cost each other's bonds."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.errors import AlreadyRunning

__all__ = ["hold_key"]


@contextmanager
def hold_key(key_file: Path) -> Iterator[None]:
    """Hold the key file for this process; the system lets go when the process ends.

    Raises:
        AlreadyRunning: Another worker holds it.
    """
    with key_file.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                f"another worker runs with key file {key_file}: stop it first, "
                "or give this one a key of its own"
            ) from error
        yield
