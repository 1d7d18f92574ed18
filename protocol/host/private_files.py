"""Files that only their owner can read: written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from pathlib import Path

from protocol.errors import ConfigError

__all__ = [
    "create_private",
    "make_private_folder",
    "read_private",
    "replace_private",
]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_private(path: Path, what: str, max_bytes: int) -> str:
    """Text of a file that others cannot read.

    Args:
        path: The file; a pipe is taken as it is.
        what: What the file is, for errors.
        max_bytes: Most bytes that are read.

    Raises:
        ConfigError: It is missing, readable by others, or larger.
    """
    try:
        with path.open("rb") as file:
            # Of the open file, so that nobody can swap it in between.
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & _OTHERS:
                raise ConfigError(
                    f"{what} {path} has mode {stat.S_IMODE(mode):o}, so others can "
                    f"read what it holds: run `chmod 600 {path}`"
                )
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror}") from error
    if len(content) > max_bytes:
        raise ConfigError(f"{what} {path} holds more than {max_bytes} bytes")
    return content.decode("utf-8", errors="replace")


def create_private(path: Path, text: str, what: str) -> None:
    """Write a new file of mode 600; an existing one is never replaced.

    Raises:
        ConfigError: The file exists or cannot be written.
    """
    try:
        draft = _draft(path, text)
        try:
            # Unlike a rename, a link fails when the name is taken.
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        raise ConfigError(
            f"{what} {path} exists and is not replaced; choose another name"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{what} {path} cannot be written: {error.strerror}"
        ) from error


def replace_private(path: Path, text: str, what: str) -> None:
    """Replace a file by another one of mode 600.

    Raises:
        ConfigError: It cannot be written; then the old one is untouched.
    """
    try:
        draft = _draft(path, text)
        try:
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{what} {path} cannot be written: {error.strerror}"
        ) from error


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def make_private_folder(path: Path, what: str) -> None:
    """A folder that this process can write to, and no other user read.

    Args:
        path: The folder; one that is there keeps its mode.
        what: What the folder is, for errors.

    Raises:
        ConfigError: It cannot be made or written to.
    """
    try:
        path.mkdir(stat.S_IRWXU, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(
            f"{what} {path} cannot be written: {error.strerror}; set data_dir to a "
            "folder that can be"
        ) from error
