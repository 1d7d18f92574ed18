"""An HTTP server that stands between a client and a node, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Answer", "forward_to", "rpc_server"]

Answer = tuple[int, bytes]
"""Status and body."""


def forward_to(url: str) -> Callable[[dict[str, Any]], Answer]:
    """Passes a request on to a node."""

    def forward(request: dict[str, Any]) -> Answer:
        outgoing = urllib.request.Request(
            url,
            data=json.dumps(request).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(outgoing, timeout=10) as response:
            return response.status, response.read()

    return forward


@contextmanager
def rpc_server(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[str]:
    """Serves JSON-RPC by `answer` on a free port; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            status, body = answer(json.loads(self.rfile.read(size)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
