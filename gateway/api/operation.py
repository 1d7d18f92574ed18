"""What operators ask a gateway: whether it lives, whether it works, its metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.readiness import HealthReport, Readiness

__all__ = ["router"]

_UNAVAILABLE = 503

router = APIRouter(tags=["operation"])


def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.services.readiness
    return readiness


@router.get("/healthz")
def healthz() -> HealthReport:
    """Says that the process lives."""
    return HealthReport(status="ok", checks={})


@router.get("/readyz", responses={_UNAVAILABLE: {"model": HealthReport}})
def readyz(readiness: Annotated[Readiness, Depends(_readiness)]) -> JSONResponse:
    """Says whether chain, content store, database and jobs work."""
    health = readiness.look()
    status = 200 if health.status == "ok" else _UNAVAILABLE
    return JSONResponse(health.model_dump(), status_code=status)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """Counts and times in Prometheus's text format."""
    body = request.app.state.services.metrics.render()
    return Response(body, media_type=CONTENT_TYPE_LATEST)
