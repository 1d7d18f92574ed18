"""The local chain: Anvil as a process, and what only a local chain can be asked."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
from eth_account.signers.local import LocalAccount

from devnet.errors import ProgramMissing
from devnet.processes.ports import LOOPBACK
from devnet.processes.process import Command, Process
from devnet.processes.rpc import ask
from devnet.processes.supervisor import Supervisor

__all__ = [
    "CHAIN_ID",
    "Anvil",
    "development_account",
    "find_anvil",
    "local_chain",
    "start_anvil",
]

CHAIN_ID = 31337
# Anvil's default. Everyone has its keys, so they are worthless elsewhere.
_SEED = seed_from_mnemonic(
    "test test test test test test test test test test test junk", passphrase=""
)
_PLATFORM_PACKAGES = "node_modules/@foundry-rs/anvil-*/bin/anvil"
_LISTENING = re.compile(r"Listening on (127\.0\.0\.1:[0-9]+)")
_START_SECONDS = 30.0


def development_account(index: int) -> LocalAccount:
    """One of the accounts that Anvil gives gas money to at genesis."""
    key = key_from_seed(_SEED, f"m/44'/60'/0'/0/{index}")
    account: LocalAccount = Account.from_key(key)
    return account


@dataclass(frozen=True, slots=True)
class Anvil:
    """A local chain that runs; it mines a block for each transaction by default.

    Attributes:
        url: Its RPC endpoint.
        chain_id: Its id.
        process: Runs it.
    """

    url: str
    chain_id: int
    process: Process

    def rpc(self, method: str, *params: object) -> Any:
        """A call of Anvil's own methods. Raises RpcUnavailable, as `ask`."""
        return ask(self.url, method, *params)

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks that hold whatever waits."""
        self.rpc("anvil_mine", hex(blocks))

    def mine_every(self, seconds: int) -> None:
        """From now on blocks come by the clock, and no longer with transactions."""
        self.rpc("evm_setIntervalMining", seconds)

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


def find_anvil(roots: Iterable[Path] | None = None) -> Path:
    """The Anvil program: from the Node packages that set-up installs, or on PATH.

    Args:
        roots: Folders that may hold `node_modules`; by default the project's and the
            current one.

    Raises:
        ProgramMissing: There is none.
    """
    if roots is None:
        roots = (Path(__file__).resolve().parents[2], Path.cwd())
    for root in roots:
        # The npm package of that name only picks one of these by platform, in Node.
        for program in sorted(root.glob(_PLATFORM_PACKAGES)):
            return program
    found = shutil.which("anvil")
    if found is None:
        raise ProgramMissing(
            "anvil, the local chain, is neither under node_modules nor on PATH: "
            "run `make setup` in the project, or install Foundry"
        )
    return Path(found)


def start_anvil(
    supervisor: Supervisor,
    folder: Path,
    *options: object,
    port: int = 0,
    chain_id: int = CHAIN_ID,
) -> Anvil:
    """Start a chain, and wait until it answers.

    Args:
        supervisor: Owns the process.
        folder: Where it keeps old states.
        options: More of Anvil's own, such as `"--accounts", 20`.
        port: Of its RPC on the loopback interface; 0 takes a free one.
        chain_id: Its id.

    Raises:
        DevnetError: It cannot be started, ended, or is not ready in time.
    """
    named = {
        "--host": LOOPBACK,
        "--port": port,
        "--chain-id": chain_id,
        "--cache-path": folder / "states",
    }
    flags = [part for option in named.items() for part in option]
    words = tuple(str(part) for part in (find_anvil(), *flags, *options))
    process = supervisor.start(Command("anvil", words, stage=0, folder=folder))
    listening = supervisor.wait_until(
        "the chain answers",
        lambda: _LISTENING.search(process.output()),
        _START_SECONDS,
        [process],
    )
    return Anvil(f"http://{listening[1]}", chain_id, process)


@contextmanager
def local_chain(*options: object, chain_id: int = CHAIN_ID) -> Iterator[Anvil]:
    """A chain on a free port that ends with the block.

    Args:
        options: As of `start_anvil`.
        chain_id: Its id.

    Raises:
        DevnetError: As `start_anvil`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="assay-anvil-") as folder,
        Supervisor(Path(folder), takes_signals=False) as supervisor,
    ):
        yield start_anvil(supervisor, Path(folder), *options, chain_id=chain_id)
