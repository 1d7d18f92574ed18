"""Encrypted key files: Web3 secret storage, version 3, as wallets keep keys."""

from __future__ import annotations

import json
from typing import Any

from eth_account import Account
from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address

from protocol.errors import ConfigError, WrongPassword
from protocol.strict_json import parse_json

__all__ = [
    "WORK_FACTOR",
    "decrypt_key",
    "encrypt_key",
    "is_keystore",
    "keystore_address",
]

# What wallets use: a guess costs seconds and 256 MiB. scrypt's N.
WORK_FACTOR = 2**18
_MAX_WORK = 2**20
_VERSION = 3
_MAX_DEPTH = 8


def is_keystore(text: str) -> bool:
    """Whether a key file's text is meant as a keystore and not as a plain key."""
    return text.lstrip().startswith("{")


def keystore_address(text: str, what: str) -> ChecksumAddress | None:
    """Address that a keystore names; None if it names none. Needs no password.

    Args:
        text: The keystore.
        what: How errors name it.

    Raises:
        ConfigError: It is no keystore.
    """
    address = _parse(text, what).get("address")
    named = f"0x{str(address).removeprefix('0x')}"
    return to_checksum_address(named) if is_address(named) else None


def encrypt_key(key: bytes, password: str, *, work_factor: int = WORK_FACTOR) -> str:
    """A keystore's text.

    Args:
        key: The 32 bytes.
        password: What opens it.
        work_factor: scrypt's N, a power of two: what a guess costs.
    """
    store = Account.encrypt(key, password, kdf="scrypt", iterations=work_factor)
    return json.dumps(store, indent=2) + "\n"


def decrypt_key(text: str, password: str, what: str) -> bytes:
    """The key that a keystore holds.

    Args:
        text: The keystore.
        password: What opens it.
        what: How errors name it.

    Raises:
        WrongPassword: The password is another.
        ConfigError: It is no keystore, or one that this program does not read.
    """
    store = _parse(text, what)
    try:
        return bytes(Account.decrypt(store, password))
    except ValueError as error:
        # Not chained, as everywhere near a key.
        if "MAC mismatch" in str(error):
            raise WrongPassword(
                f"the password does not open {what}: check --password-file, or type "
                "it again"
            ) from None
        raise ConfigError(f"{what} is a damaged keystore") from None
    except (KeyError, TypeError, NotImplementedError):
        raise ConfigError(
            f"{what} is a keystore of a kind that this program does not read"
        ) from None


def _parse(text: str, what: str) -> dict[str, Any]:
    try:
        store: Any = parse_json(text, max_depth=_MAX_DEPTH)
    except ValueError:
        raise ConfigError(f"{what} is neither a key nor a keystore") from None
    if not isinstance(store, dict) or store.get("version") != _VERSION:
        raise ConfigError(f"{what} is no keystore of version {_VERSION}")
    crypto = store.get("crypto")
    parameters = crypto.get("kdfparams") if isinstance(crypto, dict) else None
    if not isinstance(parameters, dict):
        raise ConfigError(f"{what} is no keystore of version {_VERSION}")
    work = parameters.get("n", 0)
    # A file from elsewhere could ask for more memory than there is.
    if not isinstance(work, int) or work > _MAX_WORK:
        raise ConfigError(f"{what} asks for scrypt with n={work}, above {_MAX_WORK}")
    return store
