"""An HTTP server whose answers are written by the test, byte by byte if it likes."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Reply", "Told", "head", "hostile_server"]

_LIMIT_BYTES = 512 * 1024 * 1024


@dataclass(slots=True)
class Told:
    """What happened at the server.

    Attributes:
        api: Its address.
        paths: What was asked.
        sent: Bytes that the clients' side took.
        gone: Set when a client has gone.
    """

    api: str = ""
    paths: list[str] = field(default_factory=list)
    sent: int = 0
    gone: threading.Event = field(default_factory=threading.Event)
    is_over: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> None:
        """Pauses, but not beyond the end of the test."""
        self.is_over.wait(seconds)


Reply = Callable[[Told], Iterator[bytes]]
"""Yields what is sent; after the last piece the connection is closed."""


def head(status: str = "200 OK", **headers: str) -> bytes:
    """An answer's status line and headers."""
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def hostile_server(reply: Reply) -> Iterator[Told]:
    """Serves on a free port until the block ends."""
    told = Told()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            told.paths.append(self.rfile.readline().decode().split(" ")[1])
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            try:
                for piece in reply(told):
                    self.wfile.write(piece)
                    told.sent += len(piece)
                    if told.is_over.is_set() or told.sent > _LIMIT_BYTES:
                        return
            except OSError:
                told.gone.set()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        told.api = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield told
        finally:
            told.is_over.set()
            server.shutdown()
            thread.join()
