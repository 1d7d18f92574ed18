"""A child process that its parent did not get to register."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

from tests.support.machines.processes import MARK, eventually, marked_processes

KILLED_TOO_EARLY = """
import os, signal, sys
from pathlib import Path
from devnet.processes.process import Command, Process
folder = Path(sys.argv[1])
Process(Command("child", ("touch", str(folder / "ran"))), folder)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_process_not_released_never_runs_and_ends_with_its_parent(
    tmp_path: Path,
) -> None:
    mark = uuid.uuid4().hex
    done = subprocess.run(
        [sys.executable, "-c", KILLED_TOO_EARLY, str(tmp_path)],
        env={**os.environ, MARK: mark},
        check=False,
    )
    assert done.returncode == -9
    assert eventually(lambda: not marked_processes(mark))
    assert (tmp_path / "child.log").read_bytes() == b""
    assert not (tmp_path / "ran").exists()
