from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.limits import BodyLimits, ConcurrencyLimit
from gateway.envelope import error_response
from gateway.errors import CallRefused

LIMIT = 10


async def reader(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads its whole body and answers with its length."""
    size = 0
    try:
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
    except CallRefused as error:
        await error_response(error)(scope, receive, send)
        return
    body = json.dumps(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def limited(app: ASGIApp, timeout: float = 5.0) -> BodyLimits:
    return BodyLimits(
        app, max_bytes=LIMIT, max_bytes_of={"/big": 100}, timeout_seconds=timeout
    )


def call(
    app: ASGIApp, *parts: bytes, path: str = "/", length: int | None = None
) -> int:
    """The status of a call whose body comes in parts; the last of None never comes."""

    async def run() -> int:
        left: Iterator[Message] = iter(
            {"type": "http.request", "body": part, "more_body": place < len(parts) - 1}
            for place, part in enumerate(parts)
        )

        async def receive() -> Message:
            message = next(left, None)
            if message is None:
                await asyncio.Event().wait()
            assert message is not None
            return message

        statuses: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        scope: dict[str, Any] = {"type": "http", "path": path, "headers": headers}
        await app(scope, receive, send)
        return statuses[0]

    return asyncio.run(run())


def test_body_within_the_limit_is_read() -> None:
    assert call(limited(reader), b"12345", b"67890", length=10) == 200


def test_body_that_says_it_is_too_large_is_thrown_away() -> None:
    assert call(limited(reader), b"x" * 11, length=11) == 413
    # What is far too much is not even received: the second part never comes.
    assert call(limited(reader), b"x" * 20, b"y", length=10**9) == 413


def test_body_that_grows_too_large_is_cut_off() -> None:
    assert call(limited(reader), b"12345", b"678901") == 413


def test_body_of_a_path_with_its_own_limit_may_be_larger() -> None:
    assert call(limited(reader), b"x" * 100, path="/big/") == 200
    assert call(limited(reader), b"x" * 101, path="/big") == 413


def test_body_that_stops_coming_is_timed_out() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        await reader(scope, receive, send)

    assert call(limited(never, timeout=0.05)) == 408


def test_call_beyond_the_number_at_once_is_told_to_come_back() -> None:
    inner: list[int] = []

    async def nested(scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                inner.append(message["status"])

        if scope["path"] == "/v1/x" and not inner:
            await limit({**scope, "path": "/v1/y"}, receive, note)
            await limit({**scope, "path": "/healthz"}, receive, note)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    limit = ConcurrencyLimit(nested, max_calls=1, prefix="/v1/")
    assert call(limit, b"", path="/v1/x") == 200
    assert inner == [503, 200]
    # The place is free again.
    assert call(limit, b"", path="/v1/z") == 200


@pytest.mark.parametrize("length", [-1, 0])
def test_body_without_a_sensible_length_is_counted(length: int) -> None:
    assert call(limited(reader), b"x" * 11, length=length) == 413
