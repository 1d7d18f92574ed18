"""A worker's health and metrics over HTTP, for supervisors and Prometheus.

`/healthz` says whether the loop goes round, `/readyz` whether jobs can be served,
`/metrics` everything that is counted.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from protocol.errors import ConfigError
from worker.metrics import WorkerMetrics
from worker.monitoring.health import Health

__all__ = ["serve_monitor"]

logger = logging.getLogger(__name__)

_REQUEST_SECONDS = 10.0
_SHUTDOWN_POLL_SECONDS = 0.05


@contextmanager
def serve_monitor(
    address: str, health: Health, metrics: WorkerMetrics
) -> Iterator[str]:
    """Answer `/healthz`, `/readyz` and `/metrics` while inside.

    Args:
        address: Host and port, such as `127.0.0.1:9464`; port 0 takes a free one.
        health: What the first two say.
        metrics: What the third says.

    Yields:
        The URL that it answers at.

    Raises:
        ConfigError: The address cannot be listened at.
    """
    host, _, port = address.rpartition(":")
    handler = _handler(health, metrics)
    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"cannot listen at monitor_address {address}: {error}; choose another"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever,
        args=(_SHUTDOWN_POLL_SECONDS,),
        name="monitor",
        daemon=True,
    )
    thread.start()
    url = f"http://{host}:{server.server_port}"
    logger.info("monitor", extra={"url": url})
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(health: Health, metrics: WorkerMetrics) -> type[BaseHTTPRequestHandler]:
    def checked(reasons: dict[str, str]) -> tuple[int, str, bytes]:
        body = {"ok": not reasons, "reasons": reasons}
        status = 503 if reasons else 200
        return status, "application/json", json.dumps(body).encode() + b"\n"

    pages: dict[str, Callable[[], tuple[int, str, bytes]]] = {
        "/healthz": lambda: checked(health.faults()),
        "/readyz": lambda: checked(health.obstacles()),
        "/metrics": lambda: (200, CONTENT_TYPE_PLAIN_0_0_4, metrics.exposition()),
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_SECONDS
        # Says nothing of Python and its version.
        server_version = "assay"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                listed = "\n".join([*pages, ""]).encode()
                self._answer(404, "text/plain", listed)
                return
            self._answer(*page())

        do_HEAD = do_GET

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes are no events."""

    return Handler
