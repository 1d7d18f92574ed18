"""`assay` as people see it: versions, help, and errors in one line."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from assay.lazy import missing_package
from devnet.processes.ports import LOOPBACK
from protocol.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = (
    "demo",
    "up",
    "down",
    "status",
    "deploy",
    "doctor",
    "job",
    "verify",
    "worker",
)


def assay(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder."""
    return subprocess.run(
        [sys.executable, "-m", "assay.cli", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr."""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_version_flag_prints_name_and_number(tmp_path: Path) -> None:
    done = assay(tmp_path, "--version")
    assert done.returncode == 0
    assert re.fullmatch(r"assay \d+\.\d+\.\d+\n", done.stdout)


def test_help_flag_lists_every_command_without_importing_them(tmp_path: Path) -> None:
    code = (
        "import sys; from assay.cli import run; run(['--help']);"
        "heavy = {'web3', 'torch', 'eth_account', 'fastapi'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_flag_every_command_has_help(tmp_path: Path, name: str) -> None:
    done = assay(tmp_path, name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: assay" in done.stdout


def test_unknown_command_exits_two(tmp_path: Path) -> None:
    done = assay(tmp_path, "frobnicate")
    assert done.returncode == 2
    assert "No such command 'frobnicate'" in done.stderr


def test_down_without_network_is_one_line(tmp_path: Path) -> None:
    done = assay(tmp_path, "down")
    assert done.returncode == 10
    assert "no network is running in" in error_of(done)


def test_up_busy_port_names_it_and_the_flag(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = assay(tmp_path, "up", "--rpc-port", port)
        assert f"port {port} for the chain's RPC" in error_of(done)
        assert "--rpc-port" in error_of(done)
        assert done.returncode == 10
        detached = assay(tmp_path, "up", "--detach", "--ipfs-port", port)
    assert "--ipfs-port" in error_of(detached)


def test_up_settings_of_somebody_else_are_not_replaced(tmp_path: Path) -> None:
    settings = tmp_path / ".assay" / "assay.toml"
    settings.parent.mkdir()
    settings.write_text("[requester]\n")
    done = assay(tmp_path, "up")
    assert "was not written by `assay up`" in error_of(done)
    assert done.returncode == ConfigError.exit_code
    assert settings.read_text() == "[requester]\n"


def test_up_model_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    done = assay(tmp_path, "up", "--model", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert "nothing' does not exist" in done.stderr


@pytest.mark.parametrize("choice", [(), ("--token", "0x1", "--test-token")])
def test_deploy_without_one_token_choice_exits_two(
    tmp_path: Path, choice: tuple[str, ...]
) -> None:
    usual = ("--rpc-url", "http://127.0.0.1:1", "--key-file", "k", "--out", "d.json")
    done = assay(tmp_path, "deploy", *usual, *choice)
    assert done.returncode == 2
    assert "give either --token ADDRESS or --test-token" in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"--out": "taken"}, "taken exists and is not replaced"),
        ({"--out": "no/where.json"}, "there is no folder no"),
        ({"--token": "0x12"}, "--token 0x12 is no address"),
        ({"--rpc-url": "http://127.0.0.1:1"}, "cannot connect"),
        ({"--base-fee": "100"}, "base_fee is 100, it must be below seat_bond"),
        ({"--terms": "none.toml"}, "terms file none.toml cannot be read"),
    ],
)
def test_deploy_bad_value_is_named(
    tmp_path: Path, flags: dict[str, str], words: str
) -> None:
    (tmp_path / "taken").touch()
    usual = {
        "--rpc-url": "http://127.0.0.1:1",
        "--key-file": "key",
        "--out": "out.json",
        "--token": "0x" + "ab" * 20,
        "--seat-bond": "100",
        "--base-fee": "1",
        "--bounty": "1",
    }
    options = [part for option in {**usual, **flags}.items() for part in option]
    done = assay(tmp_path, "deploy", *options)
    assert words in error_of(done)
    assert done.returncode in (2, 3)


def test_run_internal_error_shows_no_traceback_unless_asked(tmp_path: Path) -> None:
    code = (
        "import sys, click; from assay.cli import run\n"
        "@click.command()\n"
        "def broken(): raise RuntimeError('first\\nsecond')\n"
        "sys.exit(run([], broken))"
    )

    def run_it(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )

    done = run_it()
    assert done.returncode == 70
    assert "internal error, RuntimeError: first second" in error_of(done)
    assert "Traceback" in run_it(ASSAY_TRACEBACK="1").stderr


@pytest.mark.parametrize(
    ("module", "extra"),
    [("torch", "worker"), ("transformers.utils", "worker"), ("fastapi", "devnet")],
)
def test_missing_package_of_an_extra_names_it(module: str, extra: str) -> None:
    error = missing_package(ModuleNotFoundError(name=module))
    assert isinstance(error, ConfigError)
    assert f'pip install "assay[{extra}]"' in str(error)


def test_missing_package_of_ours_stays_an_internal_error() -> None:
    error = ModuleNotFoundError(name="devnet.nothing")
    assert missing_package(error) is error
