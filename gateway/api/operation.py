"""What operators ask a gateway: whether it lives, whether it works, its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.api.access import MetricsDep, ReadinessDep
from gateway.readiness import HealthReport

__all__ = ["router"]

_UNAVAILABLE = 503

router = APIRouter(tags=["operation"])


@router.get("/healthz")
def healthz() -> HealthReport:
    """Says that the process lives."""
    return HealthReport(status="ok", checks={})


@router.get("/readyz", responses={_UNAVAILABLE: {"model": HealthReport}})
def readyz(readiness: ReadinessDep) -> JSONResponse:
    """Says whether chain, content store, database and jobs work."""
    health = readiness.look()
    status = 200 if health.status == "ok" else _UNAVAILABLE
    return JSONResponse(health.model_dump(), status_code=status)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(counts: MetricsDep) -> Response:
    """Counts and times in Prometheus's text format."""
    return Response(counts.render(), media_type=CONTENT_TYPE_LATEST)
