"""An HTTP server in a thread, for tests that stand between a client and a node."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["QuietHandler", "serving"]


class QuietHandler(BaseHTTPRequestHandler):
    """Logs nothing, and bears that a client gives up or is killed."""

    def body(self) -> bytes:
        """What the client sent."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """An answer as a whole."""
        with suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that were killed close their connections."""


@contextmanager
def serving(handler: type[QuietHandler], port: int = 0) -> Iterator[str]:
    """Serves until the block ends; gives the URL."""
    server = _Server(("127.0.0.1", port), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
