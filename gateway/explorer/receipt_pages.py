"""Checking receipts on a page."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, UploadFile
from starlette.responses import Response

from gateway.api.access import AccessDep, ReceiptsDep
from gateway.explorer.page_route import PageRoute
from gateway.explorer.pages import PageDep, WebPage
from gateway.jobs.market_access import MarketAccess
from protocol.errors import BadReceipt, MarketError
from protocol.hexadecimal import from_hex
from protocol.market.types import JobId
from requester.receipts.verify import parse_receipt, verify

__all__ = ["router"]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/receipts")
def by_job(
    page: PageDep,
    access: AccessDep,
    cache: ReceiptsDep,
    job: str = "",
    output: str = "",
) -> Response:
    """The form, and the check of a job's receipt if one is named."""
    given = {"job": job, "output": output}
    if not job:
        return _show(page, given)
    problem, job_id = "", None
    try:
        job_id = JobId(from_hex(job, 32))
    except ValueError:
        problem = "a job's id is 0x and 64 digits"
    if not problem and output and not (output.isdecimal() and len(output) < 10):
        problem = "an output is a number from 0"
    if problem or job_id is None:
        return _show(page, given, problem=problem, status=400)
    chosen = [int(output)] if output else None
    try:
        value = cache.receipt(job_id, chosen)
    except MarketError as error:
        return _show(page, given, problem=str(error), status=error.http_status)
    return _show(page, given, verdict=_verdict(access, value))


@router.post("/receipts")
async def by_file(
    page: PageDep, access: AccessDep, receipt: Annotated[UploadFile, ...]
) -> Response:
    """Checks a file."""
    data = await receipt.read()

    def check() -> Response:
        try:
            value = parse_receipt(data, "the file")
        except BadReceipt as error:
            verdict = {"is_valid": False, "reason": str(error), "checks": []}
        else:
            verdict = _verdict(access, value)
        return _show(page, {"job": "", "output": ""}, verdict=verdict)

    return await anyio.to_thread.run_sync(check)


def _verdict(access: MarketAccess, value: dict[str, Any]) -> dict[str, Any]:
    try:
        checks = verify(value, access.market)
    except BadReceipt as error:
        return {"is_valid": False, "reason": str(error), "checks": []}
    return {"is_valid": True, "reason": "", "checks": checks}


def _show(
    page: WebPage,
    given: dict[str, str],
    *,
    verdict: dict[str, Any] | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    return page.draw(
        "receipts.html",
        "receipts",
        shows_index=False,
        status=status,
        given=given,
        verdict=verdict,
        problem=problem,
    )
