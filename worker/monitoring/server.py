"""A worker's health and metrics over HTTP, for supervisors and Prometheus.

`/healthz` says whether the loop goes round, `/readyz` whether jobs can be served,
`/metrics` everything that is counted. The facts about the chain are gathered by a
thread of their own with a connection of their own, so that looking costs the worker
nothing and an endpoint always answers.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from protocol.errors import ConfigError, MarketError
from protocol.host.terminal import one_line
from protocol.market.types import ModelId
from worker.metrics import WorkerMetrics
from worker.monitoring.snapshot import Census

__all__ = ["Health", "serve_monitor", "watch"]

logger = logging.getLogger(__name__)

# A step may wait for a transaction, and for its replacement.
_STALL_SECONDS = 300.0
_STALE_SECONDS = 60.0
_LOOK_SECONDS = 10.0
_REQUEST_SECONDS = 10.0
_SHUTDOWN_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Seen:
    """When something was last well, and what was wrong with it since."""

    at: float | None = None
    fault: str = "not looked at yet"

    def why_not(self, now: float) -> str:
        """Empty if it is well."""
        if self.fault:
            return self.fault
        is_fresh = self.at is not None and now - self.at <= _STALE_SECONDS
        return "" if is_fresh else f"not seen for {_STALE_SECONDS:g} s"


class Health:
    """What is well with a worker. May be used from any thread.

    Every fact is replaced whole, so no lock is needed.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is known yet.

        Args:
            clock: Seconds that only grow.
        """
        self._clock = clock
        self._last_tick = clock()
        self._is_loaded = False
        self._is_draining = False
        self._chain = _Seen()
        self._content = _Seen()
        self._open_seats = 0

    def ticked(self) -> None:
        """The loop went round."""
        self._last_tick = self._clock()

    def loaded(self) -> None:
        """All models are verified and loaded, and the loop begins."""
        self._is_loaded = True
        self.ticked()

    def draining(self) -> None:
        """Nothing new is taken any more."""
        self._is_draining = True

    def saw_chain(self, open_seats: int) -> None:
        """The chain answered; `open_seats` can be drawn."""
        self._open_seats = open_seats
        self._chain = _Seen(self._clock(), "")

    def saw_content(self) -> None:
        """The IPFS node answered."""
        self._content = _Seen(self._clock(), "")

    def lost_chain(self, reason: str) -> None:
        """The chain could not be read."""
        self._chain = _Seen(self._chain.at, reason)

    def lost_content(self, reason: str) -> None:
        """The IPFS node could not be reached."""
        self._content = _Seen(self._content.at, reason)

    def faults(self) -> dict[str, str]:
        """What keeps the process from living, by name; empty if nothing does."""
        idle = self._clock() - self._last_tick
        # Loading may take minutes, and the start ends by itself if it fails.
        if self._is_loaded and idle > _STALL_SECONDS:
            return {"loop": f"has not gone round for {idle:.0f} s"}
        return {}

    def obstacles(self) -> dict[str, str]:
        """What keeps jobs from being served, by name; empty if nothing does."""
        now = self._clock()
        reasons = {
            **self.faults(),
            "chain": self._chain.why_not(now),
            "ipfs": self._content.why_not(now),
            "models": "" if self._is_loaded else "still being fetched and verified",
            "seats": "" if self._open_seats else "none is open",
            "drain": "takes nothing new" if self._is_draining else "",
        }
        return {name: reason for name, reason in reasons.items() if reason}


class _Watch:
    """Looks at the chain and the IPFS node again and again."""

    def __init__(
        self,
        health: Health,
        metrics: WorkerMetrics,
        take_census: Callable[[], Census],
        ping_content: Callable[[], object],
        models: tuple[ModelId, ...],
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._take_census = take_census
        self._ping_content = ping_content
        self._models = models

    def look(self) -> None:
        """One look; nothing that goes wrong ends the watch."""
        try:
            self._note(self._take_census())
        except MarketError as error:
            self._health.lost_chain(one_line(error))
        try:
            self._ping_content()
        except MarketError as error:
            self._health.lost_content(one_line(error))
        else:
            self._health.saw_content()

    def _note(self, census: Census) -> None:
        metrics = self._metrics
        metrics.set_head(census.block_number)
        metrics.set_account(
            census.account, gas_wei=census.gas_wei, tokens=census.tokens
        )
        metrics.set_jobs(census.stages())
        for model_id in self._models:
            states = census.seat_states(model_id)
            metrics.set_seats(model_id, states, census.seat_bond)
        usable = sum(
            not seat.is_closing and seat.model_id in self._models
            for seat in census.seats
        )
        self._health.saw_chain(usable)


@contextmanager
def watch(
    health: Health,
    metrics: WorkerMetrics,
    take_census: Callable[[], Census],
    ping_content: Callable[[], object],
    models: tuple[ModelId, ...],
    *,
    pause_seconds: float = _LOOK_SECONDS,
) -> Iterator[None]:
    """Keep health and metrics up to date while inside.

    Args:
        health: What is told.
        metrics: What is told too.
        take_census: Reads the chain and the journal; called from one thread only.
        ping_content: Raises StoreError if the IPFS node does not answer.
        models: Models served, whose seats are shown even when there are none.
        pause_seconds: Between two looks.
    """
    over = threading.Event()
    watching = _Watch(health, metrics, take_census, ping_content, models)

    def run() -> None:
        while not over.is_set():
            try:
                watching.look()
            except Exception:
                # A fault of ours must not leave the gauges standing still unseen.
                logger.exception("watch failed")
                health.lost_chain("the watch failed, see the log")
            over.wait(pause_seconds)

    threading.Thread(target=run, name="watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()


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
