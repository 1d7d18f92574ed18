"""Running `assay` the way people do: as a command, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devnet.network.folder import NetworkFolder
from requester.client import Client
from requester.settings import RequesterSettings
from tests.support.machines.processes import MARK, marked_processes

__all__ = ["Assay", "lines_until"]

_ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 240.0


@dataclass(frozen=True, slots=True)
class Assay:
    """A folder to run the command in, and a mark on all that it starts.

    Attributes:
        folder: Working folder; `.assay` is made in it.
        mark: Value of the mark.
    """

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that its processes inherit."""
        paths = os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")])
        return {
            **os.environ,
            MARK: self.mark,
            "PYTHONPATH": paths.rstrip(os.pathsep),
            "PYTHONUNBUFFERED": "1",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run to the end, whatever the exit code."""
        return subprocess.run(
            [sys.executable, "-m", "assay.cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def ok(self, *arguments: str) -> str:
        """Run, require success, return what it printed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run with `--json` and parse what it printed."""
        return json.loads(self.ok(*arguments, "--json"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start without waiting; standard error goes into the output.

        Ctrl-C works on it even where whoever runs the tests ignores it, as a shell's
        background does, which children would inherit.
        """
        return subprocess.Popen(
            [sys.executable, "-m", "assay.cli", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def requester(self, model: str | None = None) -> Client:
        """The SDK by the hand of the requester of the network that runs here."""
        files, state = NetworkFolder(self.folder / ".assay"), self.json("status")
        settings = RequesterSettings.load(
            rpc_url=state["rpcUrl"],
            ipfs_api=state["ipfsApi"],
            deployment=files.deployment_file,
            key_file=files.keys / "requester.key",
            model=model or state["modelId"],
            data_dir=files.devnet / "requester",
        )
        return Client.connect(settings)

    def processes(self) -> dict[int, str]:
        """What runs of all that was started here."""
        return marked_processes(self.mark)


def lines_until(process: subprocess.Popen[str], words: str) -> Iterator[str]:
    """Lines of a running command up to one that holds these words."""
    assert process.stdout is not None
    for line in process.stdout:
        yield line
        if words in line:
            return
    raise AssertionError(f"ended with {process.wait()} before it said {words!r}")
