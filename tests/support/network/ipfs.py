"""An embedded IPFS node as a process, for tests."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devnet.kubo.repository import Repository

_STOP_SECONDS = 15


class IpfsNode:
    """Runs `devnet.kubo` on free ports of the loopback interface.

    Attributes:
        api: RPC address.
        repository: Its folder.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.repository = Repository(folder)
        self.process = start_ipfs(folder, "--port", "0", *options)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if " at http://" not in line:
            _, problem = self.process.communicate()
            raise RuntimeError(f"the IPFS node did not start: {problem}")
        self.api = line.split()[-1]

    @property
    def swarm_address(self) -> str:
        """Where peers reach it."""
        return str(self.call("id")["Addresses"][0])

    def call(self, path: str) -> Any:
        """Posts to the RPC without a body; returns the decoded answer."""
        request = urllib.request.Request(f"{self.api}/api/v0/{path}", method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def stop(self) -> int:
        """Ends it the way a supervisor does; returns the exit code."""
        self.process.terminate()
        self.process.communicate(timeout=_STOP_SECONDS)
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.stop()


def start_ipfs(folder: Path, *options: str) -> subprocess.Popen[str]:
    """Starts the node's command without waiting for it."""
    arguments: Sequence[str] = ["--repo", str(folder), *options]
    return subprocess.Popen(
        [sys.executable, "-m", "devnet.kubo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
