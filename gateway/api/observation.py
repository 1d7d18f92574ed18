"""Observing each call: an id, a log line, metrics; and security headers.

The log holds neither bodies nor keys: method, route, status, time, and the id by which
an operator knows the key.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.envelope import error_response
from gateway.metrics import Metrics

__all__ = ["Observation"]

_access = logging.getLogger("gateway.api.access")
_log = logging.getLogger(__name__)

_UNKNOWN = "unknown"
_INTERNAL_ERROR = 500
# Pages load nothing from elsewhere and run no script that is not a file of ours.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Observation:
    """The outermost middleware: every response passes it."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        """Wrap an app."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        call = _Observed(send, "req-" + secrets.token_hex(8))
        scope.setdefault("state", {})["request_id"] = call.request_id
        try:
            await self._app(scope, receive, call.send)
        except Exception:
            _log.exception("internal error", extra={"request_id": call.request_id})
            if call.status is None:
                failure = error_response(RuntimeError())
                await failure(scope, receive, call.send)
        finally:
            self._note(scope, call, time.monotonic() - began)

    def _note(self, scope: Scope, call: _Observed, seconds: float) -> None:
        status = call.status or _INTERNAL_ERROR
        path = _route_of(scope)
        self._metrics.note_call(scope["method"], path, status, seconds)
        _access.info(
            "request",
            extra={
                "request_id": call.request_id,
                "method": scope["method"],
                "path": path,
                "status": status,
                "seconds": round(seconds, 4),
                "key_id": _state(scope).get("key_id"),
                "is_whole": call.is_whole,
            },
        )


class _Observed:
    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.status: int | None = None
        self.is_whole = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self.request_id
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.is_whole = True


def _state(scope: Scope) -> dict[str, Any]:
    state: dict[str, Any] = scope.get("state", {})
    return state


def _route_of(scope: Scope) -> str:
    """The route's pattern: a path as it came could hold anything, without end."""
    return str(getattr(scope.get("route"), "path", _UNKNOWN))
