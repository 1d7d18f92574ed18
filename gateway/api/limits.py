"""Limits of a call: the bytes and the time of its body, and how many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.envelope import error_response
from gateway.errors import BodyTooLarge, BodyTooSlow, GatewayBusy

__all__ = ["BodyLimits", "ConcurrencyLimit"]


# Many clients read no answer before they have sent all, so some of what is too much is
# let through and thrown away.
_DRAINED = 2
_DRAIN_SECONDS = 5.0


class BodyLimits:
    """Ends reading a body that is too large or too slow."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_bytes_of: Mapping[str, int],
        timeout_seconds: float,
    ) -> None:
        """Wrap an app.

        Args:
            app: The app.
            max_bytes: Most bytes of a body.
            max_bytes_of: The same for single paths.
            timeout_seconds: How long a body may take.
        """
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_of = max_bytes_of
        self._timeout = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_bytes_of.get(scope["path"].rstrip("/"), self._max_bytes)
        stated = Headers(scope=scope).get("content-length", "")
        if stated.isdecimal() and int(stated) > limit:
            await _drain(receive, _DRAINED * limit)
            await error_response(_too_large(limit))(scope, receive, send)
            return
        limited = _LimitedBody(receive, limit, self._timeout)
        await self._app(scope, limited.receive, send)


class _LimitedBody:
    def __init__(self, receive: Receive, limit: int, timeout: float) -> None:
        self._receive = receive
        self._limit = limit
        self._left = limit
        self._deadline = asyncio.get_running_loop().time() + timeout
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole:
            # What comes now is the caller's leaving.
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow("the body did not arrive in time") from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _too_large(self._limit)
        self._is_whole = not message.get("more_body", False)
        return message


async def _drain(receive: Receive, max_bytes: int) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while max_bytes > 0:
                message = await receive()
                max_bytes -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


class ConcurrencyLimit:
    """Tells calls beyond a number at once to come back later."""

    def __init__(self, app: ASGIApp, *, max_calls: int, prefix: str) -> None:
        """Wrap an app; paths with another prefix are not counted."""
        self._app = app
        self._max_calls = max_calls
        self._prefix = prefix
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call."""
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        if self._running >= self._max_calls:
            busy = GatewayBusy(f"{self._max_calls} calls are under way; try again soon")
            await error_response(busy)(scope, receive, send)
            return
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body is larger than {limit} bytes; split it", code="body_too_large"
    )
