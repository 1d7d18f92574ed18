"""The local network's accounts. Their keys are public: worthless on any other chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from devnet.processes.anvil import MNEMONIC
from protocol.chain.keys.accounts import save_key

__all__ = ["Identity", "write_identities"]

_PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class Identity:
    """An account of the local network.

    Attributes:
        name: `deployer`, `requester`, `worker-1`, …, `gateway`.
        account: It, with its key.
        key_file: Where the key is written, mode 600.
    """

    name: str
    account: LocalAccount
    key_file: Path


def write_identities(
    folder: Path, *, workers: int, others: Sequence[str] = ()
) -> list[Identity]:
    """Write the key files of deployer, requester, workers and others, in this order.

    Raises:
        ConfigError: A file exists, or cannot be written.
    """
    numbered = (f"worker-{i + 1}" for i in range(workers))
    names = ["deployer", "requester", *numbered, *others]
    folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
    return [_write(folder, name, index) for index, name in enumerate(names)]


def _write(folder: Path, name: str, index: int) -> Identity:
    Account.enable_unaudited_hdwallet_features()
    account = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
    path = folder / f"{name}.key"
    save_key(path, bytes(account.key))
    return Identity(name, account, path)
