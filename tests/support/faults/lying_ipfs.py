"""An IPFS node that serves wrong bytes: Kubo's RPC, passed on, altered on demand."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from tests.support.machines.http_server import QuietHandler, serving

__all__ = ["LyingIpfs", "altered", "lying_ipfs"]

_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "transfer-encoding"})


@dataclass(slots=True)
class LyingIpfs:
    """What the node is told to do.

    Attributes:
        api: Its RPC address.
        lies: Whether the bytes of files are altered from now on.
        altered: How many answers were.
    """

    api: str
    lies: bool = False
    altered: int = 0


@contextmanager
def lying_ipfs(honest_api: str) -> Iterator[LyingIpfs]:
    """Serves on a free port until the block ends."""
    told = LyingIpfs("")

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            status, kind, body = _ask(honest_api, self)
            if told.lies and status == 200 and self.path.startswith("/api/v0/cat"):
                told.altered += 1
                body = altered(body)
            self.send(status, body, {"Content-Type": kind})

    with serving(Handler) as told.api:
        yield told


def altered(document: bytes) -> bytes:
    """With another first token id, of the same length: only the digest tells."""
    start = document.index(b'"ids":[') + len(b'"ids":[')
    digit = int(document[start : start + 1])
    return document[:start] + b"%d" % (digit % 9 + 1) + document[start + 1 :]


def _ask(api: str, handler: BaseHTTPRequestHandler) -> tuple[int, str, bytes]:
    headers = {k: v for k, v in handler.headers.items() if k.lower() not in _HOP_BY_HOP}
    request = urllib.request.Request(
        api + handler.path, data=_body(handler), headers=headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read()


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    """A body of known length or in chunks, as uploads come."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    body = b""
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body
