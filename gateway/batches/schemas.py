"""Wire forms of files and batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "BatchCall",
    "BatchFault",
    "BatchFaults",
    "BatchLine",
    "BatchList",
    "BatchObject",
    "Deleted",
    "FileList",
    "FileObject",
    "RequestCounts",
]

Endpoint = Literal["/v1/completions", "/v1/chat/completions"]


class FileObject(BaseModel):
    """A file of the caller's."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"] = "processed"


class FileList(BaseModel):
    """Files of the caller's, newest first."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(BaseModel):
    """A file that is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BatchCall(_Strict):
    """What makes a batch.

    Attributes:
        input_file_id: A file of calls, one JSON object a line.
        endpoint: Endpoint of all of its calls.
        completion_window: Only `24h` is possible.
        metadata: Up to 16 notes of the caller's.
    """

    input_file_id: Annotated[str, Field(min_length=1, max_length=64)]
    endpoint: Endpoint
    completion_window: Literal["24h"]
    metadata: (
        Annotated[
            dict[
                Annotated[str, Field(max_length=64)],
                Annotated[str, Field(max_length=512)],
            ],
            Field(max_length=16),
        ]
        | None
    ) = None


class BatchLine(_Strict):
    """A line of a batch's input file."""

    custom_id: Annotated[str, Field(min_length=1, max_length=512)]
    method: Literal["POST"]
    url: Endpoint
    body: dict[str, Any]


class RequestCounts(BaseModel):
    """How many calls of a batch there are, and how many have ended."""

    total: int
    completed: int
    failed: int


class BatchFault(BaseModel):
    """What is wrong with a batch's input file."""

    code: str
    line: int | None
    message: str
    param: str | None


class BatchFaults(BaseModel):
    """All that is wrong with it, as far as it was read."""

    object: Literal["list"] = "list"
    data: list[BatchFault]


class BatchObject(BaseModel):
    """A batch."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchFaults | None
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "completed",
        "expired",
        "cancelling",
        "cancelled",
    ]
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str] | None


class BatchList(BaseModel):
    """Batches of the caller's, newest first."""

    object: Literal["list"] = "list"
    data: list[BatchObject]
    first_id: str | None
    last_id: str | None
    has_more: bool
