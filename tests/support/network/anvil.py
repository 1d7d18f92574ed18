"""A real Anvil node for tests: picks a free port and ends with the test."""

from __future__ import annotations

import ctypes
import json
import queue
import re
import signal
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eth_account import Account
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
from eth_account.signers.local import LocalAccount

__all__ = ["MNEMONIC", "Anvil", "development_account"]

MNEMONIC = "test test test test test test test test test test test junk"
START_SECONDS = 30
STOP_SECONDS = 10

_ROOT = Path(__file__).resolve().parents[3]
_LISTENING = re.compile(r"Listening on (127\.0\.0\.1:[0-9]+)")
_PR_SET_PDEATHSIG = 1


def development_account(index: int) -> LocalAccount:
    """One of the accounts that Anvil funds."""
    seed = seed_from_mnemonic(MNEMONIC, passphrase="")
    account: LocalAccount = Account.from_key(
        key_from_seed(seed, f"m/44'/60'/0'/0/{index}")
    )
    return account


class Anvil:
    """An Anvil process.

    Mines a block for each transaction unless told otherwise by Anvil's own options,
    such as `--block-time 1` or `--no-mining`.
    """

    def __init__(self, *options: str, chain_id: int = 31337) -> None:
        self.chain_id = chain_id
        self._options = ("--port", "0", "--chain-id", str(chain_id), *options)
        self._process: subprocess.Popen[str] | None = None
        self._address = ""

    @property
    def url(self) -> str:
        return f"http://{self._address}"

    def account(self, index: int) -> LocalAccount:
        return development_account(index)

    def rpc(self, method: str, *params: Any) -> Any:
        """A call without web3, for Anvil's own methods. Raises AssertionError."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        request = urllib.request.Request(
            self.url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "error" not in answer, answer
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    def skip(self, seconds: int) -> None:
        """Let time pass and mine a block in it."""
        self.rpc("evm_increaseTime", hex(seconds))
        self.mine()

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Takes back at the end what happens to the chain inside."""
        snapshot = self.rpc("evm_snapshot")
        try:
            yield
        finally:
            self.rpc("evm_revert", snapshot)

    def start(self) -> None:
        # A killed node leaves old states, gigabytes in all.
        self._states = tempfile.TemporaryDirectory(prefix="assay-anvil-")
        process = subprocess.Popen(
            [str(_binary()), "--cache-path", self._states.name, *self._options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_die_with_parent,
        )
        self._process = process
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Goes on reading after the start, so that a full pipe never blocks the node.
        reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
        reader.start()
        self._address = self._wait_for_address(lines)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._states.cleanup()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_for_address(self, lines: queue.SimpleQueue[str | None]) -> str:
        seen: list[str] = []
        while (line := lines.get(timeout=START_SECONDS)) is not None:
            seen.append(line)
            found = _LISTENING.search(line)
            if found is not None:
                return found[1]
        raise RuntimeError(f"anvil {self._options} ended: {''.join(seen[-5:])}")


def _binary() -> Path:
    """The native program; its Node wrapper would outlive a kill."""
    pattern = "node_modules/@foundry-rs/anvil-*/bin/anvil*"
    found = sorted(_ROOT.glob(pattern))
    if not found:
        raise RuntimeError(f"no Anvil at {pattern}: run `make setup`")
    return found[0]


def _die_with_parent() -> None:
    # Linux only; elsewhere an interrupted run may leave the node behind.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
    if process.stdout is None:
        raise AssertionError("started with a pipe")
    with process.stdout as stream:
        for line in stream:
            lines.put(line)
    lines.put(None)
