"""Health, readiness and metrics, for whoever operates the gateway."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from protocol.errors import MarketError

__all__ = ["Health", "Readiness", "router"]

_log = logging.getLogger(__name__)

_KEPT_SECONDS = 2.0
_UNAVAILABLE = 503
Verdict = Literal["ok", "failed"]


class Health(BaseModel):
    """That the process lives, or what of its parts works."""

    status: Verdict
    checks: dict[str, Verdict]


class Readiness:
    """Checks of all parts, remembered for a moment so that asking costs little."""

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        """Take the checks; one that raises a MarketError fails."""
        self._checks = checks
        self._lock = threading.Lock()
        self._last: Health | None = None
        self._at = 0.0

    def look(self) -> Health:
        """How the parts are now, or were a moment ago."""
        with self._lock:
            if self._last is None or time.monotonic() - self._at > _KEPT_SECONDS:
                self._last = self._run()
                self._at = time.monotonic()
            return self._last

    def _run(self) -> Health:
        checks: dict[str, Verdict] = {}
        for name, check in self._checks.items():
            try:
                check()
                checks[name] = "ok"
            except MarketError as error:
                _log.warning("not ready", extra={"part": name, "reason": str(error)})
                checks[name] = "failed"
        is_ready = all(verdict == "ok" for verdict in checks.values())
        return Health(status="ok" if is_ready else "failed", checks=checks)


router = APIRouter(tags=["operation"])


def _readiness(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.services.readiness
    return readiness


@router.get("/healthz")
def healthz() -> Health:
    """Says that the process lives."""
    return Health(status="ok", checks={})


@router.get("/readyz", responses={_UNAVAILABLE: {"model": Health}})
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
