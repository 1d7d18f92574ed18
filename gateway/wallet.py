"""The gateway's wallet: a key file as other roles have, encrypted as a keystore."""

from __future__ import annotations

import secrets
from pathlib import Path

from protocol.chain.keys.accounts import save_keystore
from protocol.chain.keys.passwords import PasswordSource

__all__ = ["create_wallet"]

_KEY_BYTES = 32


def create_wallet(
    path: Path, password: PasswordSource, key: bytes | None = None
) -> str:
    """Writes a new keystore of mode 600.

    Args:
        path: File to create; an existing one is never replaced.
        password: Where the password to choose comes from.
        key: A key to keep; None makes a new one.

    Returns:
        The account's address.

    Raises:
        ConfigError: The password is short, or the file exists or cannot be written.
    """
    chosen = password.choose(f"key file {path}")
    secret = secrets.token_bytes(_KEY_BYTES) if key is None else key
    return str(save_keystore(path, secret, chosen))
