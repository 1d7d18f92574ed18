"""Uploads: a multipart body streamed to disk, within limits."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header

from devnet.kubo.errors import KuboError
from protocol.store.unixfs import MAX_DIRECTORY_ENTRIES, NodeError, check_name

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["Upload", "arrange", "receive"]

_FOLDER_TYPES = {b"application/x-directory"}
_MAX_HEADER_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Upload:
    """One part of the body.

    Attributes:
        name: The path that the sender gave it, with ``/`` between folder and file.
        file: Where its bytes lie; None for a folder.
    """

    name: str
    file: Path | None


class _Receiver:
    """The parser's callbacks, writing each part to a numbered file."""

    def __init__(self, folder: Path) -> None:
        self.uploads: list[Upload] = []
        self.is_complete = False
        self._folder = folder
        self._file: BinaryIO | None = None
        self._field = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._open,
            "on_part_data": self._write,
            "on_part_end": self._close,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}
        self._field = self._value = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field = self._bounded(self._field + data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = self._bounded(self._value + data[start:end])

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _bounded(self, header: bytes) -> bytes:
        if len(header) > _MAX_HEADER_BYTES or len(self._headers) > 16:
            raise KuboError("the headers of a part are too large", status=400)
        return header

    def _open(self) -> None:
        if len(self.uploads) > MAX_DIRECTORY_ENTRIES:
            raise KuboError(
                f"more than {MAX_DIRECTORY_ENTRIES} files in one request", status=400
            )
        _, options = parse_options_header(
            self._headers.get(b"content-disposition", b"")
        )
        name = unquote(options.get(b"filename", b"").decode("utf-8", "replace"))
        kind, _ = parse_options_header(self._headers.get(b"content-type", b""))
        if kind in _FOLDER_TYPES:
            self.uploads.append(Upload(name, None))
            return
        path = self._folder / str(len(self.uploads))
        self._file = path.open("wb")
        self.uploads.append(Upload(name, path))

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _end(self) -> None:
        self.is_complete = True

    def abandon(self) -> None:
        """Closes a file that a broken body left open."""
        self._close()


async def receive(
    body: AsyncIterable[bytes], content_type: str, folder: Path, *, max_bytes: int
) -> list[Upload]:
    """Streams a multipart body into files.

    Args:
        body: The request's body as it arrives.
        content_type: The request's content type, which holds the boundary.
        folder: An empty folder for the files.
        max_bytes: How long the body may be.

    Returns:
        The parts in order.

    Raises:
        KuboError: If the body is too large, malformed, cut short or empty.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not kind.startswith(b"multipart/") or not boundary:
        raise KuboError("the body must be multipart/form-data", status=400)
    receiver = _Receiver(folder)
    parser = MultipartParser(boundary, receiver.callbacks())
    received = 0
    try:
        async for chunk in body:
            received += len(chunk)
            if received > max_bytes:
                raise KuboError(f"a request may have {max_bytes} bytes", status=413)
            parser.write(chunk)
    except MultipartParseError as error:
        raise KuboError(f"the body is malformed: {error}", status=400) from error
    finally:
        receiver.abandon()
    if not receiver.is_complete or not receiver.uploads:
        raise KuboError("the body ends before its last part", status=400)
    return receiver.uploads


def arrange(
    uploads: list[Upload], *, wrap: bool, folder: Path
) -> tuple[str | None, dict[str, Path]]:
    """Arranges uploaded files for adding: single ones, or the contents of one folder.

    Args:
        uploads: The parts.
        wrap: Whether single files are wanted in a folder without a name.
        folder: Where the folder is put together.

    Returns:
        The folder's name, None if there is no folder, and the files by name, which
        for a folder lie below `folder`.

    Raises:
        KuboError: If a name is not plain, doubled, or deeper than one folder.
    """
    is_folder = any(upload.file is None or "/" in upload.name for upload in uploads)
    if not is_folder and not wrap:
        return None, _distinct(uploads)
    if is_folder and wrap:
        raise KuboError("a folder cannot be wrapped in another", status=400)
    top = uploads[0].name.partition("/")[0] if is_folder else ""
    folder.mkdir()
    files: dict[str, Path] = {}
    for upload in uploads:
        name = _inside(upload.name, top) if is_folder else upload.name
        if upload.file is None and not name:
            continue
        if upload.file is None:
            raise KuboError(f"{upload.name!r}: folders in folders", status=400)
        target = folder / _plain(name)
        if name in files:
            raise KuboError(f"file {name!r} is there twice", status=400)
        files[name] = upload.file.rename(target)
    return top, files


def _distinct(uploads: list[Upload]) -> dict[str, Path]:
    files = {upload.name: upload.file for upload in uploads if upload.file is not None}
    if len(files) != len(uploads):
        raise KuboError("two files of the same name", status=400)
    return files


def _inside(name: str, top: str) -> str:
    folder, _, rest = name.partition("/")
    if folder != top:
        raise KuboError("more than one folder in one request", status=400)
    return rest


def _plain(name: str) -> str:
    try:
        return check_name(name)
    except NodeError as error:
        raise KuboError(str(error), status=400) from error
