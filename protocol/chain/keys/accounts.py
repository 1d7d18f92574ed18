"""Private keys: files that only their owner can read, and what derives from a key."""

from __future__ import annotations

import hmac
import re
import secrets
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from protocol.chain.keys.keystore import (
    WORK_FACTOR,
    decrypt_key,
    encrypt_key,
    is_keystore,
    keystore_address,
)
from protocol.chain.keys.passwords import ASK_TERMINAL, PasswordSource
from protocol.errors import ConfigError, DevelopmentKeyRefused
from protocol.hexadecimal import to_hex
from protocol.host.private_files import create_private, read_private, replace_private
from protocol.market.types import DEVELOPMENT_CHAIN_IDS

__all__ = [
    "WELL_KNOWN_ADDRESSES",
    "address_in",
    "change_password",
    "create_keystore",
    "load_account",
    "read_key",
    "salt_secret",
    "save_key",
    "save_keystore",
]

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_KEY_BYTES = 32
_MAX_FILE_BYTES = 4096
_SALT_SECRET_LABEL = b"assay.salt-secret.v1"

# The first twenty accounts of "test test test test test test test test test test test
# junk", which Anvil and Hardhat fund and half the world has the keys of.
WELL_KNOWN_ADDRESSES: frozenset[str] = frozenset(
    {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
        "0xBcd4042DE499D14e55001CcbB24a551F3b954096",
        "0x71bE63f3384f5fb98995898A86B02Fb2426c5788",
        "0xFABB0ac9d68B0B445fB7357272Ff202C5651694a",
        "0x1CBd3b2770909D4e10f157cABC84C7264073C9Ec",
        "0xdF3e18d64BC6A983f673Ab319CCaE4f1a57C7097",
        "0xcd3B766CCDd6AE721141F452C550Ca635964ce71",
        "0x2546BcD3c84621e976D8185a91A922aE77ECEc30",
        "0xbDA5747bFD65F08deb54cb465eB87D40e51B197E",
        "0xdD2FD4581271e230360230F9337D5c0430Bf44C0",
        "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199",
    }
)


def load_account(
    path: Path, *, chain_id: int, password: PasswordSource = ASK_TERMINAL
) -> LocalAccount:
    """Read a private key from a file, plain or encrypted.

    Args:
        path: File with 64 hexadecimal digits, `0x` before them or not, or a keystore.
        chain_id: Chain that the key is used on.
        password: Where a keystore's password comes from.

    Raises:
        ConfigError: The file is missing, readable by others, or holds no key. What it
            holds is never shown.
        WrongPassword: The password does not open the keystore.
        DevelopmentKeyRefused: The key is publicly known and the chain is not one of
            `DEVELOPMENT_CHAIN_IDS`.
    """
    account = _account(path, read_key(path, password))
    is_development = chain_id in DEVELOPMENT_CHAIN_IDS
    if account.address in WELL_KNOWN_ADDRESSES and not is_development:
        raise DevelopmentKeyRefused(
            f"key file {path} holds the key of {account.address}, a development "
            f"account that everybody knows; on chain {chain_id} its money would be "
            "stolen: make a new key"
        )
    return account


def read_key(path: Path, password: PasswordSource = ASK_TERMINAL) -> bytes:
    """The 32 bytes of a key file, plain or encrypted.

    Raises:
        ConfigError: The file is missing, readable by others, or holds no key.
        WrongPassword: The password does not open the keystore.
    """
    text = read_private(path, "key file", _MAX_FILE_BYTES)
    what = f"key file {path}"
    if is_keystore(text):
        return decrypt_key(text, password.read(what), what)
    match = _KEY.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{what} must hold 64 hexadecimal digits, or a keystore")
    return bytes.fromhex(match[1])


def address_in(path: Path) -> ChecksumAddress | None:
    """Address of a key file, without its password; None where a keystore hides it.

    Raises:
        ConfigError: The file is missing, readable by others, or holds no key.
    """
    text = read_private(path, "key file", _MAX_FILE_BYTES)
    if is_keystore(text):
        return keystore_address(text, f"key file {path}")
    return to_checksum_address(_account(path, read_key(path)).address)


def save_key(path: Path, key: bytes) -> None:
    """Write a plain private key to a new file of mode 600, whole or not at all.

    Args:
        path: File to create; an existing one is never replaced, for a lost key is lost
            money.
        key: The 32 bytes.

    Raises:
        ConfigError: The key is no key, the file exists, or it cannot be written.
    """
    if len(key) != _KEY_BYTES:
        raise ConfigError(f"a key has {_KEY_BYTES} bytes, got {len(key)}")
    create_private(path, f"{to_hex(bytes(key))}\n", "key file")


def save_keystore(
    path: Path, key: bytes, password: str, *, work_factor: int = WORK_FACTOR
) -> ChecksumAddress:
    """Write a private key, encrypted, to a new file of mode 600; see `save_key`.

    Args:
        path: File to create.
        key: The 32 bytes.
        password: What opens it.
        work_factor: As `encrypt_key`.

    Returns:
        The key's address.
    """
    account = _account(path, key)
    text = encrypt_key(key, password, work_factor=work_factor)
    create_private(path, text, "key file")
    return to_checksum_address(account.address)


def create_keystore(
    path: Path, password: PasswordSource, key: bytes | None = None
) -> ChecksumAddress:
    """Make a new keystore; see `save_keystore`.

    Args:
        path: File to create; an existing one is never replaced.
        password: Where the password to choose comes from.
        key: The key to keep; None makes a new one.

    Returns:
        The key's address.

    Raises:
        ConfigError: The password is short, or the file exists or cannot be written.
    """
    chosen = password.choose(f"key file {path}")
    return save_keystore(path, key or secrets.token_bytes(_KEY_BYTES), chosen)


def change_password(
    path: Path,
    old: PasswordSource,
    new: PasswordSource,
    *,
    work_factor: int = WORK_FACTOR,
) -> None:
    """Encrypt a key file anew, with another password; a plain one is encrypted too.

    Args:
        path: The key file.
        old: What opens it now.
        new: What shall open it.
        work_factor: As `encrypt_key`.

    Raises:
        ConfigError: As `read_key`, or the file cannot be replaced; then it is as it
            was.
        WrongPassword: The old password does not open it.
    """
    key = read_key(path, old)
    chosen = new.choose(f"key file {path}")
    text = encrypt_key(key, chosen, work_factor=work_factor)
    replace_private(path, text, "key file")


def salt_secret(account: LocalAccount) -> bytes:
    """The secret of `commitments.derive_salt`: HMAC-SHA-256 of the private key.

    Commitments' salts follow from the key alone, and the key does not follow from them.
    """
    return hmac.digest(bytes(account.key), _SALT_SECRET_LABEL, "sha256")


def _account(path: Path, key: bytes) -> LocalAccount:
    try:
        account: LocalAccount = Account.from_key(key)
    except Exception:
        # Not chained: the cause may quote the key.
        raise ConfigError(f"key file {path} holds no valid secp256k1 key") from None
    return account
