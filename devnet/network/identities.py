"""The local network's accounts. Their keys are public: worthless on any other chain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress

from devnet.processes.anvil import development_account
from protocol.chain.keys.accounts import save_key

__all__ = ["Identity", "write_identity"]

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

    @property
    def address(self) -> ChecksumAddress:
        """Its address."""
        return ChecksumAddress(self.account.address)


def write_identity(folder: Path, name: str, index: int) -> Identity:
    """Write the key file of a development account.

    Args:
        folder: Of the key files; made if missing.
        name: As in `Identity`.
        index: Number of the account.

    Raises:
        ConfigError: The file exists, or cannot be written.
    """
    folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
    path, account = folder / f"{name}.key", development_account(index)
    save_key(path, bytes(account.key))
    return Identity(name, account, path)
