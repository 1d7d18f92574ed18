"""A TCP connection that a test can cut, in front of a real server."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Switch"]

_PIECE = 64 * 1024


class Switch:
    """Passes bytes on to a server while it is on.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 0)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_on = True
        switch = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                switch._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"{parts.scheme}://127.0.0.1:{self._server.server_address[1]}"

    def turn_off(self) -> None:
        """Cut every connection, and let no new one through."""
        with self._lock:
            self._is_on = False
            for one in self._open:
                _cut(one)

    def turn_on(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._is_on = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self.turn_off()
        self._server.server_close()

    def _serve(self, caller: socket.socket) -> None:
        with self._lock:
            if not self._is_on:
                return
            server = socket.create_connection(self._target)
            self._open |= {caller, server}
        back = threading.Thread(target=_pass_on, args=(server, caller), daemon=True)
        back.start()
        _pass_on(caller, server)
        back.join()
        with self._lock:
            self._open -= {caller, server}
        server.close()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    except OSError:
        pass  # cut
    _cut(sink)


def _cut(one: socket.socket) -> None:
    # It may be closed already.
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
