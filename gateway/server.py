"""Runs a gateway until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
from types import FrameType

import uvicorn

from gateway.app import create_app
from gateway.database.engine import create_database
from gateway.settings import GatewaySettings
from gateway.wiring import connect_services
from protocol.errors import ConfigError

__all__ = ["run_gateway"]

_log = logging.getLogger(__name__)

_KEEP_ALIVE_SECONDS = 120
_BACKLOG = 512


def run_gateway(settings: GatewaySettings) -> None:
    """Serves until SIGINT or SIGTERM; calls under way may finish within a limit.

    Raises:
        MarketError: It cannot start; the message says why and what to do.
    """
    listener = _listen(settings)
    host, port = listener.getsockname()[:2]
    bound = settings.model_copy(update={"port": port})
    database = create_database(
        settings.database_url.get_secret_value(),
        wait_seconds=settings.database_wait_seconds,
    )
    with listener:
        services = connect_services(bound, database)
        config = uvicorn.Config(
            create_app(services),
            log_config=None,
            access_log=False,
            server_header=False,
            # Longer than clients and proxies keep an idle connection, so that they
            # close it and nobody calls into one that is being closed.
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
        _log.info(
            "ready",
            extra={
                "address": f"http://{host}:{port}",
                "wallet": services.access.account,
                "replica": services.job_loop.replica,
            },
        )
        services.start()
        # The server raises the signal that ended it again; then all has been done.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _do_nothing)
        uvicorn.Server(config).run(sockets=[listener])
    _log.info("stopped")


def _do_nothing(number: int, frame: FrameType | None) -> None:
    pass


def _listen(settings: GatewaySettings) -> socket.socket:
    """Takes the address before anything else: the answers name it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named, asyncio sends small pieces at once; without, each answer
    # would wait 40 ms for the caller's acknowledgement of its headers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
        return listener
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "choose another --host or --port"
        ) from error
