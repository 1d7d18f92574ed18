"""Errors as OpenAI's clients read them, all mapped in one place."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import (
    ApiKeyRefused,
    BudgetExceeded,
    CallRefused,
    GatewayBusy,
    GatewayError,
    JobUnsuccessful,
    NothingFound,
    RateLimited,
)
from protocol.errors import (
    ChainError,
    DatabaseError,
    JobNotFound,
    MarketError,
    RequestError,
    StoreError,
    WaitTimedOut,
)

__all__ = [
    "GONE",
    "Answer",
    "answer_of",
    "error_response",
    "handle_error",
    "handle_hang_up",
]

GONE = 499
"""Status of a call whose caller hung up; only the log shows it."""

_log = logging.getLogger(__name__)

_RETRY_SECONDS = 5
_INVALID = "invalid_request_error"
_SERVER = "server_error"
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An error on its way to a caller."""

    status: int
    message: str
    kind: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_response(self) -> JSONResponse:
        """The whole response."""
        error = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        return JSONResponse(
            {"error": error}, status_code=self.status, headers=dict(self.headers)
        )


def answer_of(error: Exception) -> Answer:
    """What a caller is told. Faults of this side are told without their details."""
    if isinstance(error, GatewayError):
        return _of_gateway(error)
    if isinstance(error, MarketError):
        return _of_market(error)
    if isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code)
        kind = _INVALID if error.status_code < 500 else _SERVER
        headers = dict(error.headers or {})
        return Answer(error.status_code, str(error.detail), kind, code, None, headers)
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    return Answer(500, "internal error; it was logged", _SERVER, "internal_error")


def error_response(error: Exception) -> JSONResponse:
    """The response of an error."""
    return answer_of(error).to_response()


async def handle_error(request: Request, error: Exception) -> JSONResponse:
    """The one handler of all errors."""
    answer = answer_of(error)
    if answer.status >= 500:
        facts = {"kind": type(error).__name__, "reason": str(error)}
        _log.warning("call failed", extra=facts)
    return answer.to_response()


async def handle_hang_up(request: Request, error: Exception) -> Response:
    """The caller left while it sent its call: nobody reads this, but the log does."""
    return Response(status_code=GONE)


def _of_gateway(error: GatewayError) -> Answer:
    status, text = error.http_status, str(error)
    match error:
        case NothingFound():
            code = error.code or "not_found"
            return Answer(status, text, _INVALID, code, error.param)
        case CallRefused():
            return Answer(status, text, _INVALID, error.code, error.param)
        case ApiKeyRefused():
            headers = {"WWW-Authenticate": "Bearer"}
            return Answer(status, text, _INVALID, "invalid_api_key", None, headers)
        case BudgetExceeded():
            kind = "insufficient_quota"
            return Answer(status, text, kind, kind)
        case RateLimited():
            headers = {"Retry-After": str(math.ceil(error.retry_after_seconds))}
            kind, code = "rate_limit_error", "rate_limit_exceeded"
            return Answer(status, text, kind, code, None, headers)
        case GatewayBusy():
            return _unavailable(text, "unavailable")
        case JobUnsuccessful():
            return Answer(status, text, _SERVER, "job_failed")
    return Answer(status, text, _SERVER)


def _of_market(error: MarketError) -> Answer:
    if isinstance(error, RequestError):
        return Answer(error.http_status, str(error), _INVALID, "invalid_value")
    if isinstance(error, JobNotFound):
        return Answer(error.http_status, str(error), _INVALID, "not_found")
    if isinstance(error, WaitTimedOut):
        return Answer(error.http_status, str(error), _SERVER, "timeout")
    if isinstance(error, ChainError):
        return _unavailable("the chain does not answer; nothing was charged", "chain")
    if isinstance(error, StoreError):
        text = "the content store does not answer; nothing was charged"
        return _unavailable(text, "content_store")
    if isinstance(error, DatabaseError):
        text = "the gateway's database does not answer; nothing was charged"
        return _unavailable(text, "database")
    return Answer(500, "internal error; it was logged", _SERVER, "internal_error")


def _unavailable(text: str, what: str) -> Answer:
    code = what if what == "unavailable" else f"{what}_unavailable"
    headers = {"Retry-After": str(_RETRY_SECONDS)}
    return Answer(503, text, _SERVER, code, None, headers)


def _of_validation(error: RequestValidationError) -> Answer:
    """Of parameters in path, query or headers; bodies are parsed by ourselves."""
    fault = error.errors()[0]
    param = ".".join(str(step) for step in fault["loc"][1:])[:80]
    shown = param.encode("ascii", errors="backslashreplace").decode()
    text = f"{shown} is wrong: {fault['msg']}"
    return Answer(400, text, _INVALID, "invalid_value", shown)
