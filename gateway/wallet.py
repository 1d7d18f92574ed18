"""The gateway's wallet: a key file as other roles have, encrypted as a keystore."""

from __future__ import annotations

import secrets
from pathlib import Path

from eth_account.signers.local import LocalAccount

from gateway.settings import GatewaySettings
from protocol.chain.keys.accounts import load_account, save_keystore
from protocol.chain.keys.passwords import PasswordSource
from protocol.errors import ConfigError

__all__ = ["create_wallet", "load_wallet"]

_KEY_BYTES = 32


def load_wallet(settings: GatewaySettings, *, chain_id: int) -> LocalAccount:
    """The account that posts and pays.

    Args:
        settings: Names the key file, and the file of its password.
        chain_id: Chain that it is used on.

    Raises:
        ConfigError: None is given, or it cannot be read or is readable by others.
        WrongPassword: The password does not open it.
        DevelopmentKeyRefused: The key is publicly known and the chain no development
            one.
    """
    if settings.key_file is None:
        raise ConfigError(
            "the gateway has no wallet: give --key-file with a keystore; "
            "`assay gateway wallet create` makes one"
        )
    return load_account(
        settings.key_file, chain_id=chain_id, password=settings.password
    )


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
