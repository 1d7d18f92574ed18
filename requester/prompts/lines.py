"""Lines of a prompts file, one at a time: the size of the file needs no memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from protocol.errors import RequestError

__all__ = ["MAX_LINE_BYTES", "numbered_lines"]

MAX_LINE_BYTES = 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def numbered_lines(path: Path, max_bytes: int) -> Iterator[tuple[int, str]]:
    """Reads a UTF-8 file line by line.

    Only line feeds end a line: U+2028 and its like may stand inside a prompt.

    Args:
        path: The file; a pipe will do.
        max_bytes: Most bytes of the whole file.

    Yields:
        Number of the line, from 1, and the line with its line feed.

    Raises:
        RequestError: The file cannot be read, is too large, not UTF-8, or has a line of
            more than 1 MiB.
    """
    try:
        with path.open("rb") as file:
            _check_size(path, os.fstat(file.fileno()).st_size, max_bytes)
            yield from _decoded(path, file, max_bytes)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RequestError(
            f"prompts file {path} cannot be read: {reason}; check --file"
        ) from error


def _decoded(path: Path, file: BinaryIO, max_bytes: int) -> Iterator[tuple[int, str]]:
    read = 0
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        read += len(line)
        _check_size(path, read, max_bytes)
        if len(line) > MAX_LINE_BYTES:
            raise RequestError(
                f"{path}, line {number}: longer than {MAX_LINE_BYTES} bytes; no model "
                "reads so much at once: shorten it"
            )
        # A byte-order mark is an editor's, not a prompt's.
        data = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
        yield number, _text(path, number, data)


def _check_size(path: Path, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise RequestError(
            f"prompts file {path} is too large: over {max_bytes} bytes; split it"
        )


def _text(path: Path, number: int, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"prompts file {path} is not UTF-8: byte 0x{data[error.start]:02x} in "
            f"line {number}; save it as UTF-8"
        ) from error
