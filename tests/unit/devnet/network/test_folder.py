"""The network's folder: one holder, whole state files, settings of others kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devnet.errors import NetworkNotRunning, NetworkRunning
from devnet.network.folder import (
    AccountRecord,
    NetworkFolder,
    NetworkPhase,
    NetworkState,
    ProcessRecord,
)
from devnet.network.run import stop_network
from devnet.network.settings_file import require_replaceable
from devnet.network.status import look
from protocol.errors import ConfigError

ROOT = Path(__file__).resolve().parents[4]
STATE = NetworkState(
    pid=7,
    phase=NetworkPhase.READY,
    rpc_url="http://127.0.0.1:8545",
    ipfs_api="http://127.0.0.1:5001",
    model_id="0x" + "11" * 32,
    processes=(ProcessRecord("anvil", 8, "/logs/anvil.log", -9),),
    accounts=(AccountRecord("requester", "0x01", "/keys/requester.key"),),
)


def test_hold_twice_names_the_holder_and_the_way_out(tmp_path: Path) -> None:
    folder = NetworkFolder(tmp_path)
    folder.hold()
    with pytest.raises(NetworkRunning) as failure:
        NetworkFolder(tmp_path).hold()
    assert f"process {os.getpid()}" in str(failure.value)
    assert "assay down" in str(failure.value)


def test_holder_process_ended_is_nobody(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from devnet.network.folder import NetworkFolder;"
        "f = NetworkFolder(Path(sys.argv[1])); f.hold(); print(f.holder())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) not in (0, os.getpid())
    assert NetworkFolder(tmp_path).holder() is None


def test_read_state_written_state_is_equal(tmp_path: Path) -> None:
    folder = NetworkFolder(tmp_path)
    folder.devnet.mkdir()
    folder.write_state(STATE)
    assert folder.read_state() == STATE


def test_read_state_damaged_file_is_none(tmp_path: Path) -> None:
    folder = NetworkFolder(tmp_path)
    folder.devnet.mkdir()
    (folder.devnet / "state.json").write_text('{"phase": "ready"}')
    assert folder.read_state() is None


def test_clear_earlier_network_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    folder = NetworkFolder(tmp_path)
    stale = folder.worker_folder("worker-1")
    stale.mkdir(parents=True)
    (stale / "journal.sqlite").touch()
    other = folder.devnet / "notes.txt"
    other.touch()
    folder.clear()
    assert not stale.exists()
    assert other.exists()


def test_stop_network_nothing_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(NetworkNotRunning, match="no network is running in"):
        stop_network(NetworkFolder(tmp_path))


def test_look_last_network_failed_says_why(tmp_path: Path) -> None:
    folder = NetworkFolder(tmp_path)
    folder.devnet.mkdir()
    failed = NetworkState(
        7, NetworkPhase.FAILED, "http://a", "http://b", error="anvil died"
    )
    folder.write_state(failed)
    with pytest.raises(NetworkNotRunning, match="the last one failed: anvil died"):
        look(folder)


def test_require_replaceable_settings_of_somebody_else_are_refused(
    tmp_path: Path,
) -> None:
    mine = tmp_path / "assay.toml"
    mine.write_text("[requester]\n")
    with pytest.raises(ConfigError, match="is not replaced"):
        require_replaceable(mine)


def test_require_replaceable_missing_file_returns(tmp_path: Path) -> None:
    require_replaceable(tmp_path / "assay.toml")
