"""Command line of the embedded IPFS node."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from pathlib import Path
from types import FrameType

import click
import uvicorn

from devnet.kubo.app import Limits, create_app
from devnet.kubo.errors import KuboError, RepositoryError
from devnet.kubo.node import KuboNode
from devnet.kubo.repository import Repository

__all__ = ["main"]

_GRACE_SECONDS = 3
_EXIT_UNUSABLE = 2


@click.command()
@click.option(
    "--repo",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The node's folder; made if missing.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=5001,
    show_default=True,
    help="RPC port on the loopback interface; 0 takes a free one.",
)
@click.option(
    "--swarm-port",
    type=click.IntRange(0, 65_535),
    default=0,
    show_default=True,
    help="Port for peers on the loopback interface; 0 takes a free one.",
)
@click.option(
    "--max-bytes",
    type=click.IntRange(1),
    default=Limits().max_bytes,
    help="Largest upload, and largest content fetched from peers.",
)
@click.option(
    "--fetch-seconds",
    type=click.FloatRange(0.1),
    default=Limits().fetch_seconds,
    help="How long peers are asked for missing content.",
)
def main(
    repo: Path, port: int, swarm_port: int, max_bytes: int, fetch_seconds: float
) -> None:
    """Run an IPFS node for this machine until SIGTERM or Ctrl-C."""
    repository = Repository(repo.resolve())
    limits = Limits(max_bytes=max_bytes, fetch_seconds=fetch_seconds)
    try:
        with repository.locked(), _listen("RPC", "--port", port) as listener:
            if swarm_port:
                _listen("swarm", "--swarm-port", swarm_port).close()
            _log_to(repository.log)
            asyncio.run(_serve(repository, swarm_port, limits, listener))
    except (KuboError, RepositoryError) as error:
        click.echo(f"devnet.kubo: {error}", err=True)
        raise SystemExit(_EXIT_UNUSABLE) from error


def _listen(what: str, option: str, port: int) -> socket.socket:
    # With the protocol named, asyncio sends small pieces at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        reason = (
            "is in use"
            if error.errno == errno.EADDRINUSE
            else f"failed: {error.strerror}"
        )
        raise KuboError(
            f"{what} port {port} on 127.0.0.1 {reason}; choose another with {option}"
        ) from error
    return listener


def _log_to(file: Path) -> None:
    logging.basicConfig(
        filename=file,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )


async def _serve(
    repository: Repository, swarm_port: int, limits: Limits, listener: socket.socket
) -> None:
    node = KuboNode(repository, swarm_port)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(node, repository, limits),
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    _end_on_signals(server)
    try:
        await node.start()
        port = listener.getsockname()[1]
        click.echo(f"IPFS node {node.peer_id} at http://127.0.0.1:{port}")
        await server.serve(sockets=[listener])
    finally:
        await node.stop()


def _end_on_signals(server: uvicorn.Server) -> None:
    # uvicorn handles signals while it serves and repeats them to the earlier handler
    # afterwards, which by default would end the process before the node has stopped.
    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


if __name__ == "__main__":
    main()
