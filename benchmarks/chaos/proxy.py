"""A proxy in front of the chain's RPC that stalls, refuses and loses answers."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.chaos.faults import FaultKind
from devnet.processes.ports import LOOPBACK

__all__ = ["RpcProxy", "rpc_proxy"]

_REFUSED = 429
_BAD_GATEWAY = 502
_ANSWER_SECONDS = 60.0


class RpcProxy:
    """What the proxy does to requests at the moment.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, target: str) -> None:
        """Pass requests on to a node that need not run yet."""
        self.url = ""
        self._target = target
        self._trouble: FaultKind | None = None
        self._until = 0.0

    def trouble(self, kind: FaultKind, seconds: float) -> None:
        """Misbehave for so long; the last trouble named counts."""
        self._until = time.monotonic() + seconds
        self._trouble = kind

    @property
    def now(self) -> FaultKind | None:
        """The trouble that there is."""
        return self._trouble if time.monotonic() < self._until else None

    def answer(self, body: bytes) -> tuple[int, bytes] | None:
        """Status and body; None for an answer that is lost on its way."""
        while self.now is FaultKind.RPC_STALL:
            time.sleep(0.05)
        if self.now is FaultKind.RPC_REFUSAL:
            return _REFUSED, b"too many requests"
        # Lost is only the answer: the node has done what it was asked.
        is_lost = self.now is FaultKind.RPC_LOST_ANSWER
        answer = self._ask(body)
        return None if is_lost else answer

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._target, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return _BAD_GATEWAY, b"no answer"


@contextmanager
def rpc_proxy(target: str) -> Iterator[RpcProxy]:
    """Runs on a free port until the block ends.

    Args:
        target: URL of the node.
    """
    proxy = RpcProxy(target)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = proxy.answer(body)
            if answer is None:
                self.close_connection = True
                return
            status, content = answer
            # Whoever asked may have been killed.
            with suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that were killed close their connections."""

    server = Server((LOOPBACK, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    proxy.url = f"http://{LOOPBACK}:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
