from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from protocol.errors import AlreadyRunning, ConfigError, WaitTimedOut
from tests.support.machines.processes import eventually
from worker.process.data_dir import RunRecord, hold_data_dir, hold_key, running_in
from worker.process.signals import drain_process

HOLDER = """
import os, sys
from pathlib import Path
from worker.process.data_dir import RunRecord, hold_data_dir
from worker.process.signals import stop_on_signals
stop = stop_on_signals()
record = RunRecord(os.getpid(), 17, "0xabc", "http://127.0.0.1:1")
with hold_data_dir(Path(sys.argv[1]), record):
    print("held", flush=True)
    while not stop.is_draining or sys.argv[2] == "deaf":
        stop.wait(0.05)
    print("draining", stop.closes_seats, flush=True)
"""


@contextmanager
def holder(folder: Path, manner: str = "good") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(folder), manner]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_running_in_an_empty_folder_is_none(tmp_path: Path) -> None:
    assert running_in(tmp_path / "missing") is None


def test_running_in_a_held_folder_says_who(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert running_in(tmp_path) == RunRecord(
            process.pid, 17, "0xabc", "http://127.0.0.1:1"
        )


def test_running_in_after_a_kill_is_none(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        assert eventually(lambda: running_in(tmp_path) is None)
    assert "pid" in (tmp_path / "run.json").read_text()


def test_hold_data_dir_held_by_another_process_is_refused(tmp_path: Path) -> None:
    record = RunRecord(1, 1, "", "")
    with (
        holder(tmp_path),
        pytest.raises(AlreadyRunning, match=f"another worker runs in {tmp_path}"),
        hold_data_dir(tmp_path, record),
    ):
        pass


def test_hold_data_dir_makes_it_private(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with hold_data_dir(folder, RunRecord(os.getpid(), 1, "", "")):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "run.json").stat().st_mode) == 0o600
    assert running_in(folder) is None


def test_hold_data_dir_that_is_a_file_raises_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="cannot be written"),
        hold_data_dir(tmp_path / "file", RunRecord(1, 1, "", "")),
    ):
        pass


def test_hold_key_of_a_missing_file_names_it(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="worker.key"),
        hold_key(tmp_path / "worker.key"),
    ):
        pass


def test_hold_key_twice_is_refused_and_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    key_file = tmp_path / "worker.key"
    key_file.write_text("0x" + "11" * 32)
    key_file.chmod(0o400)
    with (
        hold_key(key_file),
        pytest.raises(AlreadyRunning, match="stop it first"),
        hold_key(key_file),
    ):
        pass
    with hold_key(key_file):
        assert key_file.read_text() == "0x" + "11" * 32


def test_drain_process_where_none_runs_is_false(tmp_path: Path) -> None:
    assert not drain_process(tmp_path, limit_seconds=1)


def test_drain_process_waits_for_the_end_and_gives_up_seats(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        assert drain_process(tmp_path, limit_seconds=30)
        assert process.stdout is not None
        assert process.stdout.readline() == "draining True\n"


def test_drain_process_of_one_that_goes_on_times_out(tmp_path: Path) -> None:
    with holder(tmp_path, "deaf"), pytest.raises(WaitTimedOut, match="drains still"):
        drain_process(tmp_path, limit_seconds=0.3)
