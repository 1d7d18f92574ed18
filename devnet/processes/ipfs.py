"""The local content store: the embedded IPFS node as a process."""

from __future__ import annotations

import json
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devnet.processes.process import Command, Process
from devnet.processes.python import python_environment
from devnet.processes.supervisor import Supervisor

__all__ = ["IpfsNode", "local_ipfs", "start_ipfs"]

_ANSWER_SECONDS = 30.0
_START_SECONDS = 60.0
_LISTENING = re.compile(r"^IPFS node \S+ at (http://\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class IpfsNode:
    """An IPFS node that runs.

    Attributes:
        api: RPC address.
        folder: Its repository.
        process: Runs it.
    """

    api: str
    folder: Path
    process: Process

    @property
    def swarm_address(self) -> str:
        """Where peers reach it."""
        return str(self.call("id")["Addresses"][0])

    def call(self, path: str) -> Any:
        """Post to the RPC without a body; the decoded answer. Raises OSError."""
        request = urllib.request.Request(f"{self.api}/api/v0/{path}", method="POST")
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
            return json.load(answer)


def start_ipfs(
    supervisor: Supervisor,
    folder: Path,
    *options: object,
    port: int = 0,
    swarm_port: int = 0,
) -> IpfsNode:
    """Start the embedded node, and wait until it answers.

    Args:
        supervisor: Owns the process.
        folder: Its repository; made if missing.
        options: More of its own, such as `"--fetch-seconds", 1`.
        port: RPC port on the loopback interface; 0 takes a free one.
        swarm_port: Port for its peers, on the loopback interface too.

    Raises:
        DevnetError: It cannot be started, ended, or is not ready in time.
    """
    named = {"--repo": folder, "--port": port, "--swarm-port": swarm_port}
    flags = [part for option in named.items() for part in option]
    words = (sys.executable, "-m", "devnet.kubo", *flags, *options)
    command = Command(
        "ipfs",
        tuple(map(str, words)),
        stage=0,
        environment=python_environment(),
        folder=folder.parent / "ipfs-run",
    )
    process = supervisor.start(command)
    listening = supervisor.wait_until(
        "IPFS answers",
        lambda: _LISTENING.search(process.output()),
        _START_SECONDS,
        [process],
    )
    return IpfsNode(listening[1], folder, process)


@contextmanager
def local_ipfs(folder: Path, *options: object) -> Iterator[IpfsNode]:
    """A node on free ports that ends with the block.

    Args:
        folder: As of `start_ipfs`.
        options: As of `start_ipfs`.

    Raises:
        DevnetError: As `start_ipfs`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="assay-ipfs-") as logs,
        Supervisor(Path(logs), takes_signals=False) as supervisor,
    ):
        yield start_ipfs(supervisor, folder, *options)
