"""The local content store: the embedded node's command line and its readiness."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from devnet.processes.process import Command
from devnet.processes.python import python_environment

__all__ = ["ipfs_answers", "ipfs_command"]

_ANSWER_SECONDS = 2.0


def ipfs_command(*, port: int, swarm_port: int, repository: Path) -> Command:
    """How to run the embedded node.

    Args:
        port: RPC port on the loopback interface.
        swarm_port: Port for its peers, on the loopback interface too.
        repository: Its folder; made if missing.
    """
    options = {"--repo": repository, "--port": port, "--swarm-port": swarm_port}
    flat = [str(part) for option in options.items() for part in option]
    return Command(
        "ipfs",
        (sys.executable, "-m", "devnet.kubo", *flat),
        stage=0,
        environment=python_environment(),
        folder=repository.parent / "ipfs-run",
    )


def ipfs_answers(api: str) -> bool:
    """Whether the node serves requests."""
    request = urllib.request.Request(f"{api}/api/v0/version", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            return bool(json.load(answer).get("Version"))
    except (OSError, ValueError):
        return False
