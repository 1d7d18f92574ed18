"""Endpoints of files and batches: HTTP only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import APIRouter, Depends, Query
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from gateway.accounts.rate_limits import take_call
from gateway.api.access import (
    Caller,
    DatabaseDep,
    FeedDep,
    JobLoopDep,
    MeteredCaller,
    SettingsDep,
    refuse_unknown_parameters,
)
from gateway.api.openapi import ERRORS, body_of
from gateway.batches import files, records
from gateway.batches.files import FilePage
from gateway.batches.schemas import (
    BatchCall,
    BatchList,
    BatchObject,
    Deleted,
    FileList,
    FileObject,
)
from gateway.completions.parsing import parse_body
from gateway.errors import CallRefused

__all__ = ["FILES_PATH", "router"]

FILES_PATH = "/v1/files"

router = APIRouter(
    tags=["OpenAI"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)

_Id = Annotated[str, Query(max_length=64)]
_Limit = Annotated[int, Query(ge=1, le=10_000)]
_BatchLimit = Annotated[int, Query(ge=1, le=100)]
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": ["batch"]},
                    },
                }
            }
        },
    }
}
_MAX_FIELDS = 8


@router.post(FILES_PATH, openapi_extra=_UPLOAD)
async def upload_file(
    request: Request, database: DatabaseDep, settings: SettingsDep, key: MeteredCaller
) -> FileObject:
    """Keeps a file of calls for a batch."""
    async with request.form(max_files=1, max_fields=_MAX_FIELDS) as form:
        odd = next((name for name in form if name not in ("file", "purpose")), None)
        if odd is not None:
            shown = odd.encode("ascii", errors="backslashreplace").decode()[:60]
            raise CallRefused(
                f"the field {shown!r} is not supported; leave it out",
                param=shown,
                code="unsupported_parameter",
            )
        file, purpose = form.get("file"), form.get("purpose")
        if purpose != "batch":
            raise CallRefused(
                "purpose must be 'batch'", param="purpose", code="invalid_value"
            )
        if not isinstance(file, UploadFile):
            raise CallRefused("the file is missing", param="file", code="missing")
        name, content = file.filename or "", await file.read()

    def keep() -> FileObject:
        max_files = settings.max_files_per_key
        with database.writing() as session:
            take_call(session, key.key_id)
            files.require_room(session, key.key_id, max_files)
            row = files.add_file(session, key.key_id, "batch", name, content)
            return files.describe_file(row)

    return await anyio.to_thread.run_sync(keep)


@router.get(FILES_PATH)
def list_files(
    database: DatabaseDep,
    key: Caller,
    limit: _Limit = 100,
    after: _Id | None = None,
    order: Literal["asc", "desc"] = "desc",
    purpose: Literal["batch", "batch_output"] | None = None,
) -> FileList:
    """Lists the caller's files, newest first unless asked otherwise."""
    with database.reading() as session:
        page = FilePage(limit, after, is_rising=order == "asc")
        rows, has_more = files.list_files(session, key.key_id, page, purpose)
        data = [files.describe_file(row) for row in rows]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return FileList(data=data, first_id=first, last_id=last, has_more=has_more)


@router.get("/v1/files/{file_id}")
def show_file(file_id: str, database: DatabaseDep, key: Caller) -> FileObject:
    """Shows a file's facts."""
    with database.reading() as session:
        return files.describe_file(files.find_file(session, key.key_id, file_id))


@router.delete("/v1/files/{file_id}")
def delete_file(file_id: str, database: DatabaseDep, key: Caller) -> Deleted:
    """Deletes a file."""
    with database.writing() as session:
        files.delete_file(session, key.key_id, file_id)
    return Deleted(id=file_id)


@router.get(
    "/v1/files/{file_id}/content",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def show_file_content(file_id: str, database: DatabaseDep, key: Caller) -> Response:
    """Returns a file's bytes."""
    with database.reading() as session:
        row = files.find_file(session, key.key_id, file_id)
        name, content = row.filename, row.content
    shown = name.replace('"', "_").replace("\\", "_")
    headers = {"Content-Disposition": f'attachment; filename="{shown}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.post(
    "/v1/batches", response_model=BatchObject, openapi_extra=body_of(BatchCall)
)
async def create_batch(
    request: Request,
    database: DatabaseDep,
    feed: FeedDep,
    job_loop: JobLoopDep,
    key: MeteredCaller,
) -> BatchObject:
    """Runs all calls of a file; they share as few jobs as they fill."""
    call = parse_body(BatchCall, await request.body())

    def create() -> BatchObject:
        with database.writing() as session:
            take_call(session, key.key_id)
            row = records.create_batch(session, key.key_id, call)
            return records.describe_batch(session, row)

    batch = await anyio.to_thread.run_sync(create)
    feed.notice()
    job_loop.notice()
    return batch


@router.get("/v1/batches")
def list_batches(
    database: DatabaseDep,
    key: Caller,
    limit: _BatchLimit = 20,
    after: _Id | None = None,
) -> BatchList:
    """Lists the caller's batches, newest first."""
    with database.reading() as session:
        page = FilePage(limit, after)
        rows, has_more = records.list_batches(session, key.key_id, page)
        data = [records.describe_batch(session, row) for row in rows]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return BatchList(data=data, first_id=first, last_id=last, has_more=has_more)


@router.get("/v1/batches/{batch_id}")
def show_batch(batch_id: str, database: DatabaseDep, key: Caller) -> BatchObject:
    """Shows how far a batch has come."""
    with database.reading() as session:
        row = records.find_batch(session, key.key_id, batch_id)
        return records.describe_batch(session, row)


@router.post("/v1/batches/{batch_id}/cancel")
def cancel_batch(
    batch_id: str,
    database: DatabaseDep,
    feed: FeedDep,
    job_loop: JobLoopDep,
    key: Caller,
) -> BatchObject:
    """Ends a batch; calls that are part of a job already go on."""
    with database.writing() as session:
        row = records.cancel_batch(session, key.key_id, batch_id)
        batch = records.describe_batch(session, row)
    feed.notice()
    job_loop.notice()
    return batch
