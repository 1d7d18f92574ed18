"""The endpoint of receipts: HTTP only."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from gateway.api.access import ReceiptsDep
from gateway.api.openapi import ERRORS
from protocol.hexadecimal import from_hex
from protocol.market.types import JobId
from protocol.strict_model import HexWord

__all__ = ["JobIdText", "parse_job_id", "router"]

router = APIRouter(tags=["receipts"], responses=ERRORS)

JobIdText = Annotated[HexWord, Path(description="A job's id.")]
_Outputs = Annotated[
    list[Annotated[int, Field(ge=0, lt=1 << 32)]] | None,
    Query(
        alias="output",
        max_length=1_000,
        description="Outputs to show, from 0; all of them if none is given.",
    ),
]
# A settled job's receipt stays the same for ever.
_CACHING = "public, max-age=31536000, immutable"


def parse_job_id(text: str) -> JobId:
    """The id that a path holds."""
    return JobId(from_hex(text))


@router.get("/v1/receipts/{job_id}")
def show_receipt(
    job_id: JobIdText, cache: ReceiptsDep, outputs: _Outputs = None
) -> JSONResponse:
    """Proves what a quorum answered; `assay verify` checks it, without a node too."""
    receipt: dict[str, Any] = cache.receipt(parse_job_id(job_id), outputs)
    return JSONResponse(receipt, headers={"Cache-Control": _CACHING})
