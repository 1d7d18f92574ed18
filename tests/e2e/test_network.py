"""A local network from the outside: start, look, stop, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from devnet.processes.ports import free_ports
from protocol.chain.keys.accounts import read_key, save_keystore
from tests.e2e.assay_command import Assay, lines_until
from tests.support.machines.processes import eventually

STOP_SECONDS = 60.0


def ports() -> list[str]:
    rpc_port, ipfs_port, gateway_port = map(str, free_ports(3))
    services = ["--rpc-port", rpc_port, "--ipfs-port", ipfs_port]
    return [*services, "--gateway-port", gateway_port]


def test_status_detached_network_shows_everything(network: Assay) -> None:
    seen = network.json("status")
    assert seen["phase"] == "ready"
    assert seen["blockNumber"] > 0
    names = [process["name"] for process in seen["processes"]]
    assert names == ["anvil", "ipfs", "worker-1", "worker-2", "worker-3", "gateway"]
    assert all(process["running"] for process in seen["processes"])
    assert 3 <= seen["seats"] <= 6
    text = network.ok("status")
    assert seen["rpcUrl"] in text
    assert "worker-3" in text


def test_up_second_network_in_the_same_folder_is_refused(network: Assay) -> None:
    done = network.run("up", *ports())
    assert done.returncode == 10
    assert "a network is running in" in done.stderr
    assert "assay down" in done.stderr


def test_up_port_of_the_running_chain_is_named(network: Assay, assay: Assay) -> None:
    port = network.json("status")["rpcUrl"].rpartition(":")[2]
    done = assay.run("up", "--rpc-port", port)
    assert done.returncode == 10
    assert f"port {port} for the chain's RPC" in done.stderr
    assert "--rpc-port" in done.stderr


def test_deploy_running_chain_writes_a_usable_file(network: Assay) -> None:
    seen = network.json("status")
    key = next(a["keyFile"] for a in seen["accounts"] if a["name"] == "deployer")
    out = str(network.folder / "second.json")
    flags = ("--rpc-url", seen["rpcUrl"], "--key-file", key, "--out", out)
    # Other terms, or it would be the network's own market.
    told = network.ok("deploy", *flags, "--test-token", "--bounty", "1")
    assert "marketplace" in told
    again = network.run("deploy", *flags, "--test-token")
    assert again.returncode == 2
    assert "is not replaced" in again.stderr
    listed = network.json("job", "list", "--deployment", out)
    assert listed == {"jobs": []}


def test_deploy_the_same_terms_by_keystore_finds_the_same_market(
    network: Assay,
) -> None:
    seen = network.json("status")
    key = next(a["keyFile"] for a in seen["accounts"] if a["name"] == "deployer")
    keystore, password = network.folder / "deployer.json", network.folder / "password"
    password.touch(0o600)
    password.write_text("a long password")
    save_keystore(keystore, read_key(Path(key)), "a long password")
    out = network.folder / "same.json"
    flags = ["--rpc-url", seen["rpcUrl"], "--key-file", str(keystore)]
    flags += ["--password-file", str(password), "--out", str(out)]
    network.ok("deploy", *flags, "--test-token")
    first = network.folder / ".assay" / "deployment.json"
    assert json.loads(out.read_text()) == json.loads(first.read_text())


def test_doctor_running_network_is_well(network: Assay) -> None:
    seen = network.json("status")
    found = network.json("doctor", "--rpc-url", seen["rpcUrl"])
    assert found["isHealthy"], found
    names = {finding["what"] for finding in found["findings"]}
    assert {"marketplace", "lens", "registry", "token", "prevRandao"} <= names


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_stop_signal_leaves_no_process(assay: Assay, number: signal.Signals) -> None:
    with assay.start("up", "--workers", "1", *ports()) as running:
        list(lines_until(running, "Ctrl-C stops everything"))
        assert len(assay.processes()) >= 4
        running.send_signal(number)
        output, _ = running.communicate(timeout=STOP_SECONDS)
    assert running.returncode == 0
    assert "no process is left" in output
    assert assay.processes() == {}


def test_up_killed_while_starting_leaves_no_process(assay: Assay) -> None:
    with assay.start("up", "--workers", "2", *ports()) as running:
        list(lines_until(running, "starting 2 workers"))
        assert eventually(lambda: len(assay.processes()) >= 5)
        running.kill()
        running.communicate(timeout=STOP_SECONDS)
    assert eventually(lambda: not assay.processes()), assay.processes()


def test_up_chain_dies_stops_everything_and_says_so(assay: Assay) -> None:
    with assay.start("up", "--workers", "1", *ports()) as running:
        list(lines_until(running, "Ctrl-C stops everything"))
        chain = next(pid for pid, argv in assay.processes().items() if "anvil" in argv)
        subprocess.run(["kill", "-KILL", str(chain)], check=True)
        output, _ = running.communicate(timeout=STOP_SECONDS)
    assert running.returncode == 10
    assert "anvil was killed by signal 9" in output
    assert "the last one failed" in assay.run("status").stderr


def test_demo_first_line_comes_within_a_second(assay: Assay) -> None:
    started = time.monotonic()
    with assay.start("demo") as running:
        first = next(lines_until(running, "assay demo"))
        waited = time.monotonic() - started
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=STOP_SECONDS)
    assert first.startswith("assay demo")
    assert waited < 1.0
