"""HTTP with a server that may be slow, endless or hostile: bounded time and memory.

A read time-out alone bounds neither: a server that sends a byte now and then keeps its
caller for ever, and one that never stops sending fills its memory. Here an answer must
begin within a time, then keep up a pace, and stay below a size.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout, RequestException
from urllib3.exceptions import HTTPError

from protocol.strict_json import check_depth

__all__ = [
    "PACE_BYTES_PER_SECOND",
    "AnswerMalformed",
    "AnswerTooLarge",
    "AnswerTooSlow",
    "BoundedAdapter",
    "Bounds",
]

PACE_BYTES_PER_SECOND = 256 * 1024
"""What a transfer must keep up once its first seconds are over."""

_PIECE_BYTES = 32 * 1024
# What a node says of an error; more of it is of no use.
_ERROR_BYTES = 64 * 1024
_MAX_JSON_DEPTH = 64


class AnswerTooLarge(OSError):
    """A server sent more than it was allowed to."""


class AnswerMalformed(OSError):
    """A server sent what must not be read."""


class AnswerTooSlow(TimeoutError):
    """A server took too long to answer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one request may take.

    Attributes:
        seconds: Time for all but what the pace allows for.
        max_bytes: Size of the answer's body. Of a refusal, 64 KiB are read.
        sent_bytes: Size of the request's body, which must be sent at the pace too.
        is_json: Whether the answer will be read as JSON, which may be nested only so
            deep. A refusal always is.
    """

    seconds: float
    max_bytes: int
    sent_bytes: int = 0
    is_json: bool = False


class BoundedAdapter(HTTPAdapter):
    """A transport of `requests` for one request, which it keeps within bounds."""

    def __init__(self, bounds: Bounds) -> None:
        """Make it for one session that sends one request.

        Args:
            bounds: What the request may take.
        """
        self._bounds = bounds
        self._watch = _Watch(bounds.seconds + bounds.sent_bytes / PACE_BYTES_PER_SECOND)
        super().__init__()

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> Any:
        """A pool whose connections the watch can end."""
        pool: Any = super().get_connection_with_tls_context(
            request,
            verify,  # type: ignore[arg-type]
            proxies,  # type: ignore[arg-type]
            cert,
        )
        pool.ConnectionCls = _watched(pool.ConnectionCls, self._watch)
        return pool

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Sends the request and reads the head of the answer."""
        # A packed answer can unfold to a thousand times its size.
        request.headers["Accept-Encoding"] = "identity"
        self._watch.start()
        try:
            response = super().send(request, *args, **kwargs)
        except RequestException as error:
            if self._watch.is_over:
                raise ReadTimeout(str(self._watch), request=request) from error
            raise
        kind = _JsonBody if self._bounds.is_json else _BoundedBody
        response.raw = (
            kind(response.raw, self._watch, self._bounds.max_bytes)
            if response.ok
            else _ErrorBody(response.raw, self._watch, _ERROR_BYTES)
        )
        return response

    def close(self) -> None:
        """Ends the watch and all connections."""
        self._watch.stop()
        super().close()


class _Watch:
    """Ends a connection once its time is over, whatever it is busy with."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at = math.inf
        self._is_done = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.is_over = False

    def __str__(self) -> str:
        return f"not done within {self._seconds:.3g} s, and too slow since"

    def start(self) -> None:
        self._ends_at = time.monotonic() + self._seconds
        threading.Thread(target=self._run, name="answer-watch", daemon=True).start()

    def stop(self) -> None:
        self._is_done.set()

    def guard(self, connected: socket.socket) -> None:
        with self._lock:
            if not self.is_over:
                self._socket = connected
                return
        raise AnswerTooSlow(str(self))

    def received(self, size: int) -> None:
        self._ends_at += size / PACE_BYTES_PER_SECOND
        if self.is_over:
            raise AnswerTooSlow(str(self))

    def _run(self) -> None:
        while (left := self._ends_at - time.monotonic()) > 0:
            if self._is_done.wait(left):
                return
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                with suppress(OSError):
                    # Not the method of a TLS socket, which waits for its peer.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _watched(kind: type[Any], watch: _Watch) -> type[Any]:
    class Watched(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            watch.guard(self.sock)

    return Watched


class _BoundedBody:
    """What `requests` reads an answer from; made to be read in small pieces."""

    def __init__(self, raw: Any, watch: _Watch, max_bytes: int) -> None:
        self._raw = raw
        self._watch = watch
        self._max_bytes = max_bytes
        self._left = max_bytes

    def read(self, size: int | None = None) -> bytes:
        wanted = _PIECE_BYTES if size is None else min(size, _PIECE_BYTES)
        try:
            # One byte too many is enough to know.
            piece: bytes = self._raw.read(
                min(wanted, max(self._left, 0) + 1), decode_content=False
            )
        except (HTTPError, OSError) as error:
            if self._watch.is_over:
                raise AnswerTooSlow(str(self._watch)) from error
            raise ConnectionError(f"the answer broke off: {error}") from error
        self._watch.received(len(piece))
        self._left -= len(piece)
        return piece if self._left >= 0 else self._overflow()

    def _overflow(self) -> bytes:
        raise AnswerTooLarge(f"an answer of more than {self._max_bytes} bytes")

    def close(self) -> None:
        self._raw.close()

    def release_conn(self) -> None:
        self._raw.release_conn()


class _JsonBody(_BoundedBody):
    """An answer that is read whole and looked at before anybody parses it."""

    def read(self, size: int | None = None) -> bytes:
        whole = b"".join(iter(super().read, b""))
        try:
            # Whatever the encoding, quotes and brackets are ASCII.
            check_depth(whole.decode("latin-1"), _MAX_JSON_DEPTH)
        except ValueError as error:
            raise AnswerMalformed(f"JSON: {error}") from error
        return whole


class _ErrorBody(_JsonBody):
    """A refusal, of which only the beginning is wanted."""

    def _overflow(self) -> bytes:
        self.close()
        return b""
