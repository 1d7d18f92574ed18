"""The tables of uploaded files and of batches."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.database.base import Base, Count

__all__ = ["BatchRow", "FileRow"]


class FileRow(Base):
    """A file of one API key's."""

    __tablename__ = "files"

    file_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.key_id"), index=True)
    purpose: Mapped[str] = mapped_column(String(16))
    filename: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(Count, doc="Bytes.")
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[int] = mapped_column(Count, doc="Unix time, seconds.")


class BatchRow(Base):
    """A batch: the calls of a file, and how far they have come."""

    __tablename__ = "batches"

    batch_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_id: Mapped[str] = mapped_column(ForeignKey("api_keys.key_id"), index=True)
    status: Mapped[str] = mapped_column(String(16), index=True)
    endpoint: Mapped[str] = mapped_column(String(32))
    input_file_id: Mapped[str] = mapped_column(String(40))
    output_file_id: Mapped[str | None] = mapped_column(String(40))
    error_file_id: Mapped[str | None] = mapped_column(String(40))
    # `metadata` is a name that the ORM keeps for itself.
    notes: Mapped[str | None] = mapped_column(Text, doc="The caller's, JSON.")
    errors: Mapped[str | None] = mapped_column(Text, doc="Faults of the file, JSON.")
    completion_window: Mapped[str] = mapped_column(String(16))
    line_count: Mapped[int] = mapped_column(Count)
    created_at: Mapped[int] = mapped_column(Count)
    in_progress_at: Mapped[int | None] = mapped_column(Count)
    finalizing_at: Mapped[int | None] = mapped_column(Count)
    completed_at: Mapped[int | None] = mapped_column(Count)
    failed_at: Mapped[int | None] = mapped_column(Count)
    cancelling_at: Mapped[int | None] = mapped_column(Count)
    cancelled_at: Mapped[int | None] = mapped_column(Count)
    expires_at: Mapped[float] = mapped_column(Float(53))
    expired_at: Mapped[int | None] = mapped_column(Count)
