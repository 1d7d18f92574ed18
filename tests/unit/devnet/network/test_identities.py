"""Key files of the development accounts."""

from __future__ import annotations

import stat
from pathlib import Path

from devnet.network.identities import write_identity


def test_write_identity_file_is_private_and_known(tmp_path: Path) -> None:
    identity = write_identity(tmp_path / "keys", "deployer", 0)
    # Anvil's first account, which the chain funds.
    assert identity.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert identity.key_file == tmp_path / "keys" / "deployer.key"
    assert stat.S_IMODE(identity.key_file.stat().st_mode) == 0o600
    key = bytes.fromhex(identity.key_file.read_text().strip()[2:])
    assert key == bytes(identity.account.key)
