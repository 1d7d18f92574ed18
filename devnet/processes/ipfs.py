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

__all__ = ["IpfsNode", "ipfs_command", "local_ipfs", "wait_for_ipfs"]

_ANSWER_SECONDS = 30.0
_START_SECONDS = 60.0
_LISTENING = re.compile(r"^IPFS node \S+ at (http://\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class IpfsNode:
    """An IPFS node that runs.

    Attributes:
        api: RPC address.
        process: Runs it.
    """

    api: str
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


def ipfs_command(
    repository: Path, *options: object, port: int = 0, swarm_port: int = 0
) -> Command:
    """How to run the embedded node.

    Args:
        repository: Its folder; made if missing.
        options: More of its own, such as `"--fetch-seconds", 1`.
        port: RPC port on the loopback interface; 0 takes a free one.
        swarm_port: Port for its peers, on the loopback interface too.
    """
    named = {"--repo": repository, "--port": port, "--swarm-port": swarm_port}
    flags = [part for option in named.items() for part in option]
    words = (sys.executable, "-m", "devnet.kubo", *flags, *options)
    return Command(
        "ipfs",
        tuple(map(str, words)),
        stage=0,
        environment=python_environment(),
        folder=repository.parent / "ipfs-run",
    )


def wait_for_ipfs(supervisor: Supervisor, process: Process) -> IpfsNode:
    """The node that a process runs, once it answers.

    Raises:
        DevnetError: It ended, or is not ready in time.
    """
    listening = supervisor.wait_until(
        "IPFS answers",
        lambda: _LISTENING.search(process.output()),
        _START_SECONDS,
        [process],
    )
    return IpfsNode(listening[1], process)


@contextmanager
def local_ipfs(repository: Path, *options: object, port: int = 0) -> Iterator[IpfsNode]:
    """A node that ends with the block.

    Args:
        repository: As of `ipfs_command`.
        options: As of `ipfs_command`.
        port: As of `ipfs_command`.

    Raises:
        DevnetError: As `wait_for_ipfs`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="assay-ipfs-") as logs,
        Supervisor(Path(logs), takes_signals=False) as supervisor,
    ):
        process = supervisor.start(ipfs_command(repository, *options, port=port))
        yield wait_for_ipfs(supervisor, process)
