"""A lock on a file: one process has it, and loses it when it ends, however it ends.

Whether somebody holds the file only the lock says; that the file is there says nothing.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

__all__ = ["FileHeld", "FileLock", "holder_of"]

_POLL_SECONDS = 0.05
# Of what a holder says of itself.
_MAX_BYTES = 4_096


class FileHeld(Exception):
    """Another process holds the file.

    Attributes:
        holder: What it says of itself; empty for the moment before it says it.
    """

    def __init__(self, holder: str) -> None:
        """Name the holder."""
        super().__init__(f"held by {holder or 'another process'}")
        self.holder = holder


class FileLock:
    """A file that this process holds, from its making on until it is released.

    One that is forgotten is held until the process ends. Programs that it starts do not
    inherit the file.
    """

    def __init__(
        self, path: Path, *, says: str | None = None, patience_seconds: float = 0.0
    ) -> None:
        """Take the file.

        Args:
            path: The file.
            says: What to write into it for whoever wants to know who holds it; it is
                made if it is missing. None leaves it as it is.
            patience_seconds: How long to wait for a process that is about to let go.

        Raises:
            FileHeld: Another process holds it.
            OSError: It cannot be opened.
        """
        flags = os.O_RDONLY if says is None else os.O_RDWR | os.O_CREAT
        file = os.open(path, flags, 0o600)
        self._file: int | None = file
        self._is_signed = bool(says)
        try:
            deadline = time.monotonic() + patience_seconds
            while not _takes(file, fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    raise FileHeld(_read(file))
                time.sleep(_POLL_SECONDS)
            if says is not None:
                os.ftruncate(file, 0)
                os.pwrite(file, says.encode(), 0)
        except BaseException:
            os.close(file)
            raise

    def __enter__(self) -> Self:
        """Release it on the way out."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release it."""
        self.release()

    def release(self) -> None:
        """Let others have the file; once released, nothing is left to do."""
        file, self._file = self._file, None
        if file is None:
            return
        if self._is_signed:
            os.ftruncate(file, 0)
        os.close(file)


def holder_of(path: Path) -> str | None:
    """What the process that holds a file says of itself; None if nobody holds it.

    It is empty for the moment between taking the file and signing it. Whoever takes
    the file at the moment of this look finds it held.
    """
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        # Shared, so that two who look do not take each other for the holder.
        return None if _takes(file, fcntl.LOCK_SH) else _read(file)
    finally:
        os.close(file)


def _takes(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(file: int) -> str:
    return os.pread(file, _MAX_BYTES, 0).decode("utf-8", "replace").strip()
