"""The gateway's wallet: an encrypted keystore, or a key file as other roles have."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from gateway.settings import GatewaySettings
from protocol.chain.keys import (
    WELL_KNOWN_ADDRESSES,
    load_account,
    read_private,
    write_private,
)
from protocol.errors import ConfigError, DevelopmentKeyRefused
from protocol.market import DEVELOPMENT_CHAIN_IDS

__all__ = ["create_keystore", "load_wallet", "password_of"]

_MAX_KEYSTORE_BYTES = 64 * 1024
_LEAST_PASSWORD = 8
_KEY_BYTES = 32


def load_wallet(settings: GatewaySettings, *, chain_id: int) -> LocalAccount:
    """The account that posts and pays.

    Args:
        settings: Names the keystore and its password, or a key file.
        chain_id: Chain that it is used on.

    Raises:
        ConfigError: Neither or both are given, the file cannot be read or is readable
            by others, or the password is wrong.
        DevelopmentKeyRefused: The key is publicly known and the chain no development
            one.
    """
    if settings.keystore is None:
        if settings.key_file is None:
            raise ConfigError(
                "the gateway has no wallet: give --keystore with an encrypted key "
                "(`assay gateway wallet create` makes one), or --key-file"
            )
        return load_account(settings.key_file, chain_id=chain_id)
    if settings.key_file is not None:
        raise ConfigError("there are a keystore and a key file; leave one of them out")
    account = _decrypt(settings.keystore, password_of(settings))
    is_development = chain_id in DEVELOPMENT_CHAIN_IDS
    if account.address in WELL_KNOWN_ADDRESSES and not is_development:
        raise DevelopmentKeyRefused(
            f"keystore {settings.keystore} holds the key of {account.address}, a "
            f"development account that everybody knows; on chain {chain_id} its money "
            "would be stolen: make a new key"
        )
    return account


def password_of(settings: GatewaySettings) -> str:
    """The keystore's password. Raises ConfigError if there is none."""
    if settings.keystore_password is not None:
        return settings.keystore_password.get_secret_value()
    if settings.keystore_password_file is not None:
        text = read_private(settings.keystore_password_file, "password file")
        return text.split("\n", 1)[0].removesuffix("\r")
    raise ConfigError(
        "the keystore needs its password: set ASSAY_GATEWAY_KEYSTORE_PASSWORD, or give "
        "--password-file with a file of mode 600"
    )


def create_keystore(path: Path, password: str, key: bytes | None = None) -> str:
    """Writes a new keystore (Web3 Secret Storage, version 3), of mode 600.

    Args:
        path: File to create; an existing one is never replaced.
        password: At least eight characters.
        key: A key to keep; None makes a new one.

    Returns:
        The account's address.

    Raises:
        ConfigError: The password is short, or the file exists or cannot be written.
    """
    if len(password) < _LEAST_PASSWORD:
        raise ConfigError(
            f"the password must have {_LEAST_PASSWORD} characters or more"
        )
    secret = secrets.token_bytes(_KEY_BYTES) if key is None else key
    account: LocalAccount = Account.from_key(secret)
    keystore = Account.encrypt(secret, password)
    write_private(path, json.dumps(keystore) + os.linesep, "keystore")
    return str(account.address)


def _decrypt(path: Path, password: str) -> LocalAccount:
    text = read_private(path, "keystore", max_bytes=_MAX_KEYSTORE_BYTES)
    try:
        keystore = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"keystore {path} is not JSON") from error
    try:
        key = bytes(Account.decrypt(keystore, password))
    except (KeyError, TypeError, ValueError, NotImplementedError):
        # Not chained: the cause may quote what it was given.
        raise ConfigError(
            f"keystore {path} cannot be opened: the password is wrong, or it is no "
            "keystore of version 3"
        ) from None
    account: LocalAccount = Account.from_key(key)
    return account
