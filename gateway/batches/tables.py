"""The tables of uploaded files and of batches."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.batches.schemas import BatchFault
from gateway.database.base import Base, Count, JsonOf

__all__ = ["BatchRow", "FileRow"]


class FileRow(Base):
    """A file of one API key's."""

    __tablename__ = "files"

    file_id: Mapped[str] = mapped_column(
        String(40), primary_key=True, doc="As the API names it."
    )
    key_id: Mapped[str] = mapped_column(
        ForeignKey("api_keys.key_id"), index=True, doc="Whose it is."
    )
    purpose: Mapped[str] = mapped_column(String(16), doc="OpenAI's word for its use.")
    filename: Mapped[str] = mapped_column(String(255), doc="As it was uploaded.")
    size: Mapped[int] = mapped_column(Count, doc="Bytes.")
    content: Mapped[bytes] = mapped_column(LargeBinary, doc="Its bytes.")
    created_at: Mapped[int] = mapped_column(Count, doc="Unix time, seconds.")


class BatchRow(Base):
    """A batch: the calls of a file, and how far they have come."""

    __tablename__ = "batches"

    batch_id: Mapped[str] = mapped_column(
        String(40), primary_key=True, doc="As the API names it."
    )
    key_id: Mapped[str] = mapped_column(
        ForeignKey("api_keys.key_id"), index=True, doc="Who pays."
    )
    status: Mapped[str] = mapped_column(
        String(16), index=True, doc="OpenAI's word for how far it is."
    )
    endpoint: Mapped[str] = mapped_column(String(32), doc="What each line calls.")
    input_file_id: Mapped[str] = mapped_column(String(40), doc="The lines.")
    output_file_id: Mapped[str | None] = mapped_column(
        String(40), doc="Answers, once it ended."
    )
    error_file_id: Mapped[str | None] = mapped_column(
        String(40), doc="Refusals, once it ended."
    )
    # `metadata` is a name that the ORM keeps for itself.
    notes: Mapped[dict[str, str] | None] = mapped_column(
        JsonOf(dict[str, str]), doc="The caller's, JSON."
    )
    errors: Mapped[tuple[BatchFault, ...] | None] = mapped_column(
        JsonOf(tuple[BatchFault, ...]), doc="Faults of the file, JSON."
    )
    completion_window: Mapped[str] = mapped_column(
        String(16), doc="As the caller gave it."
    )
    line_count: Mapped[int] = mapped_column(
        Count, doc="Lines of the input, once it was read."
    )
    created_at: Mapped[int] = mapped_column(Count, doc="Unix time, seconds.")
    in_progress_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time at which its input was read."
    )
    finalizing_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time at which its last line ended."
    )
    completed_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time of its end, if it is complete."
    )
    failed_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time, if its input has faults."
    )
    cancelling_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time of the wish to cancel it."
    )
    cancelled_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time, once nothing of it is under way."
    )
    expires_at: Mapped[float] = mapped_column(
        Float(53), doc="Unix time after which no line is begun."
    )
    expired_at: Mapped[int | None] = mapped_column(
        Count, doc="Unix time of its end, if lines were left."
    )
