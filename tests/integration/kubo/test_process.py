"""The embedded node as a process: start, stop, locks, busy ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from devnet.kubo.repository import Repository
from devnet.processes.ipfs import IpfsNode, local_ipfs
from protocol.store.ipfs import IpfsStore

WAIT_SECONDS = 20.0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def run_to_end(folder: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "devnet.kubo", "--repo", str(folder), *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    return done.returncode, done.stderr


def children_of(node: IpfsNode) -> list[psutil.Process]:
    return psutil.Process(node.process.pid).children(recursive=True)


def test_sigterm_ends_node_and_library_with_exit_code_0(tmp_path: Path) -> None:
    with local_ipfs(tmp_path / "repo") as node:
        library = children_of(node)
        assert len(library) == 1

        node.process.terminate()
        assert node.process.wait(WAIT_SECONDS) == 0

        assert not any(process.is_running() for process in library)


def test_sigint_to_the_group_ends_cleanly(tmp_path: Path) -> None:
    with local_ipfs(tmp_path / "repo") as node:
        for process in (*children_of(node), psutil.Process(node.process.pid)):
            process.send_signal(signal.SIGINT)

        assert node.process.wait(WAIT_SECONDS) == 0


def test_sigkill_leaves_no_library_behind(tmp_path: Path) -> None:
    with local_ipfs(tmp_path / "repo") as node:
        (library,) = children_of(node)

        # Itself alone, not its group.
        node.process.send_signal(signal.SIGKILL)

        wait_until(lambda: not library.is_running())


def test_restart_keeps_identity_and_content(tmp_path: Path) -> None:
    with local_ipfs(tmp_path / "repo") as node:
        identity = node.call("id")["ID"]
        digest = IpfsStore(node.api).put(b"kept")

    with local_ipfs(tmp_path / "repo") as node:
        assert node.call("id")["ID"] == identity
        assert IpfsStore(node.api).get(digest, max_bytes=4) == b"kept"


def test_library_killed_is_started_again_by_the_next_call(tmp_path: Path) -> None:
    with local_ipfs(tmp_path / "repo") as node:
        (library,) = children_of(node)
        address = node.swarm_address

        library.kill()
        library.wait(WAIT_SECONDS)

        assert IpfsStore(node.api).put(b"after")
        assert children_of(node) != [library]
        assert node.swarm_address == address


def test_second_node_on_a_repository_names_the_first(tmp_path: Path) -> None:
    with local_ipfs(tmp_path / "repo") as node:
        code, problem = run_to_end(tmp_path / "repo", "--port", "0")

    assert code == 2
    assert f"in use by process {node.process.pid}" in problem
    assert "Traceback" not in problem


def test_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        for option in ("--port", "--swarm-port"):
            code, problem = run_to_end(tmp_path / "repo", "--port", "0", option, port)

            assert code == 2
            assert f"port {port} on 127.0.0.1 is in use" in problem
            assert option in problem
            assert "Traceback" not in problem


def test_swarm_port_is_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with local_ipfs(tmp_path / "repo", "--swarm-port", str(port)) as node:
        assert node.swarm_address.startswith(f"/ip4/127.0.0.1/tcp/{port}/p2p/")


def test_repository_is_private_and_talks_to_nobody(tmp_path: Path) -> None:
    with local_ipfs(tmp_path / "repo") as node:
        file = Repository(node.folder).kubo / "config"
        config = json.loads(file.read_text("utf-8"))
        listening = {
            connection.laddr.ip
            for process in (psutil.Process(node.process.pid), *children_of(node))
            for connection in process.net_connections()
        }

        assert config["Bootstrap"] == []
        assert config["Routing"] == {"Type": "none"}
        assert config["Discovery"]["MDNS"]["Enabled"] is False
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(Repository(node.folder).folder.stat().st_mode) == 0o700
        assert listening == {"127.0.0.1"}


def test_repository_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", "utf-8")

    code, problem = run_to_end(blocked / "repo", "--port", "0")

    assert code == 2
    assert os.fspath(blocked) in problem
    assert "Traceback" not in problem
