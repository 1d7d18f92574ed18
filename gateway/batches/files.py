"""Files in the database; each belongs to one API key and nobody else sees it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session, defer

from gateway.batches.schemas import FileObject
from gateway.batches.tables import BatchRow, FileRow
from gateway.errors import CallRefused, NothingFound
from gateway.jobs.calls import now

__all__ = [
    "FilePage",
    "add_file",
    "delete_file",
    "describe_file",
    "find_file",
    "list_files",
]

_ID_BYTES = 12
_MAX_NAME = 255
_UNENDED = ("validating", "in_progress", "finalizing", "cancelling")


@dataclass(frozen=True, slots=True)
class FilePage:
    """A part of a list.

    Attributes:
        limit: Most entries.
        after: Id of the entry before it; None for the first part.
        is_rising: Whether the oldest entry comes first.
    """

    limit: int
    after: str | None
    is_rising: bool = False


def add_file(
    session: Session, key_id: str, purpose: str, filename: str, content: bytes
) -> FileRow:
    """Keeps a file."""
    row = FileRow(
        file_id="file-" + secrets.token_hex(_ID_BYTES),
        key_id=key_id,
        purpose=purpose,
        filename=_printable(filename),
        size=len(content),
        content=content,
        created_at=int(now(session)),
    )
    session.add(row)
    return row


def require_room(session: Session, key_id: str, max_files: int) -> None:
    """Refuses another file of a key that has many. Raises CallRefused."""
    statement = select(func.count()).where(FileRow.key_id == key_id)
    if session.scalars(statement.select_from(FileRow)).one() >= max_files:
        raise CallRefused(
            f"this API key keeps {max_files} files already; delete some first",
            code="too_many_files",
        )


def find_file(session: Session, key_id: str, file_id: str) -> FileRow:
    """A file of a key's. Raises NothingFound."""
    row = session.get(FileRow, file_id)
    if row is None or row.key_id != key_id:
        raise NothingFound(f"there is no file {file_id[:64]!r}", param="file_id")
    return row


def delete_file(session: Session, key_id: str, file_id: str) -> None:
    """Deletes a file.

    Raises:
        NothingFound: There is none.
        CallRefused: A batch still reads it.
    """
    row = find_file(session, key_id, file_id)
    statement = select(BatchRow.batch_id).where(
        BatchRow.input_file_id == file_id, BatchRow.status.in_(_UNENDED)
    )
    batch_id = session.scalars(statement).first()
    if batch_id is not None:
        raise CallRefused(
            f"the batch {batch_id} still reads this file; cancel it first",
            param="file_id",
            code="file_in_use",
        )
    session.delete(row)


def list_files(
    session: Session, key_id: str, page: FilePage, purpose: str | None
) -> tuple[Sequence[FileRow], bool]:
    """Files of a key, and whether there are more."""
    statement = select(FileRow).where(FileRow.key_id == key_id)
    if purpose is not None:
        statement = statement.where(FileRow.purpose == purpose)
    if page.after is not None:
        last = find_file(session, key_id, page.after)
        place = tuple_(FileRow.created_at, FileRow.file_id)
        bound = (last.created_at, last.file_id)
        statement = statement.where(place > bound if page.is_rising else place < bound)
    columns = (FileRow.created_at, FileRow.file_id)
    order = [c.asc() if page.is_rising else c.desc() for c in columns]
    # The content may be large.
    statement = statement.options(defer(FileRow.content))
    rows = session.scalars(statement.order_by(*order).limit(page.limit + 1)).all()
    return rows[: page.limit], len(rows) > page.limit


def describe_file(row: FileRow) -> FileObject:
    """A file as callers see it."""
    return FileObject.model_validate(
        {
            "id": row.file_id,
            "bytes": row.size,
            "created_at": row.created_at,
            "filename": row.filename,
            "purpose": row.purpose,
        }
    )


def _printable(filename: str) -> str:
    """The name in characters that every header and terminal bears."""
    shown = "".join(c if c.isprintable() and ord(c) < 127 else "_" for c in filename)
    return shown[:_MAX_NAME] or "file"
