"""Errors of pages as pages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.envelope import answer_of
from gateway.explorer.pages import web_page_of
from protocol.errors import MarketError

__all__ = ["PageRoute"]

_log = logging.getLogger(__name__)

_TITLES = {
    400: "That cannot be shown",
    401: "That key is not valid",
    402: "The budget is spent",
    404: "Not found",
    413: "That is too large",
    429: "Too many calls",
    503: "Just now that cannot be shown",
}


class PageRoute(APIRoute):
    """A route whose errors a person reads."""

    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors drawn."""
        handle = super().get_route_handler()

        async def draw(request: Request) -> Response:
            try:
                return await handle(request)
            except (MarketError, HTTPException, RequestValidationError) as error:
                return _problem(request, error)

        return draw


def _problem(request: Request, error: Exception) -> Response:
    answer = answer_of(error)
    if answer.status >= 500:
        facts = {"kind": type(error).__name__, "reason": str(error)}
        _log.warning("page failed", extra=facts)
    title = _TITLES.get(answer.status, "Something went wrong")
    page = web_page_of(request).draw_problem(answer.status, title, answer.message)
    page.headers.update(answer.headers)
    return page
