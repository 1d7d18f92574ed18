from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from protocol.errors import AlreadyRunning, ConfigError
from worker.process.key_lock import hold_key

HOLDER = """
import sys
import threading
from pathlib import Path
from worker.process.key_lock import hold_key
with hold_key(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_hold_key_held_by_another_process_is_refused(tmp_path: Path) -> None:
    key_file = tmp_path / "worker.key"
    key_file.write_text("0x" + "11" * 32)
    command = [sys.executable, "-c", HOLDER, str(key_file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match="stop it first"), hold_key(key_file):
            pass
        holder.kill()
        holder.wait()
    # A killed worker leaves nothing behind that would keep it from starting again.
    with hold_key(key_file):
        pass


def test_hold_key_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="worker.key"),
        hold_key(tmp_path / "worker.key"),
    ):
        pass


def test_hold_key_waits_for_a_process_that_is_about_to_end(tmp_path: Path) -> None:
    key_file = tmp_path / "worker.key"
    key_file.write_text("0x" + "11" * 32)
    command = [sys.executable, "-c", HOLDER, str(key_file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        ending = threading.Timer(0.2, holder.stdin.close)
        ending.start()
        with hold_key(key_file, patience_seconds=60):
            assert not ending.is_alive()
