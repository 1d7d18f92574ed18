"""The local chain: finding Anvil, its command line and its readiness."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from devnet.errors import ProgramMissing
from devnet.processes.ports import LOOPBACK
from devnet.processes.process import Command
from devnet.processes.rpc import ask
from protocol.errors import RpcUnavailable

__all__ = ["CHAIN_ID", "MNEMONIC", "anvil_command", "chain_answers", "find_anvil"]

CHAIN_ID = 31337
# Anvil's default. Everyone has its keys, so they are worthless elsewhere.
MNEMONIC = "test test test test test test test test test test test junk"
_PLATFORM_PACKAGES = "node_modules/@foundry-rs/anvil-*/bin/anvil"


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


def anvil_command(
    program: Path, *, port: int, block_seconds: int, accounts: int, folder: Path
) -> Command:
    """How to run the chain.

    Args:
        program: The Anvil program.
        port: RPC port on the loopback interface.
        block_seconds: Seconds between blocks.
        accounts: Number of accounts with gas money at genesis.
        folder: Where it keeps old states.
    """
    options = {
        "--host": LOOPBACK,
        "--port": port,
        "--chain-id": CHAIN_ID,
        "--block-time": block_seconds,
        "--mnemonic": MNEMONIC,
        "--accounts": accounts,
        "--cache-path": folder / "states",
    }
    flat = [str(part) for option in options.items() for part in option]
    return Command("anvil", (str(program), *flat), stage=0, folder=folder)


def chain_answers(rpc_url: str) -> bool:
    """Whether the chain serves requests and is the one that was started."""
    try:
        return bool(ask(rpc_url, "eth_chainId") == hex(CHAIN_ID))
    except RpcUnavailable:
        return False
