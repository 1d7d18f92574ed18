"""Private keys: files that only their owner can read, and what derives from a key."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from protocol.errors import ConfigError, DevelopmentKeyRefused
from protocol.market import DEVELOPMENT_CHAIN_IDS

__all__ = [
    "WELL_KNOWN_ADDRESSES",
    "load_account",
    "read_private",
    "salt_secret",
    "save_key",
    "write_private",
]

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_KEY_BYTES = 32
_MAX_FILE_BYTES = 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
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


def load_account(path: Path, *, chain_id: int) -> LocalAccount:
    """Read a private key from a file.

    Args:
        path: File with 64 hexadecimal digits, `0x` before them or not.
        chain_id: Chain that the key is used on.

    Raises:
        ConfigError: The file is missing, readable by others, or holds no key. What it
            holds is never shown.
        DevelopmentKeyRefused: The key is publicly known and the chain is not one of
            `DEVELOPMENT_CHAIN_IDS`.
    """
    match = _KEY.fullmatch(read_private(path).strip())
    if match is None:
        raise ConfigError(f"key file {path} must hold 64 hexadecimal digits only")
    try:
        account: LocalAccount = Account.from_key(bytes.fromhex(match[1]))
    except Exception:
        # Not chained: the cause may quote the key.
        raise ConfigError(f"key file {path} holds no valid secp256k1 key") from None
    is_development = chain_id in DEVELOPMENT_CHAIN_IDS
    if account.address in WELL_KNOWN_ADDRESSES and not is_development:
        raise DevelopmentKeyRefused(
            f"key file {path} holds the key of {account.address}, a development "
            f"account that everybody knows; on chain {chain_id} its money would be "
            "stolen: make a new key"
        )
    return account


def save_key(path: Path, key: bytes) -> None:
    """Write a private key to a new file of mode 600, whole or not at all.

    Args:
        path: File to create; an existing one is never replaced, for a lost key is lost
            money.
        key: The 32 bytes.

    Raises:
        ConfigError: The key is no key, the file exists, or it cannot be written.
    """
    if len(key) != _KEY_BYTES:
        raise ConfigError(f"a key has {_KEY_BYTES} bytes, got {len(key)}")
    write_private(path, f"0x{bytes(key).hex()}\n", "key file")


def write_private(path: Path, text: str, what: str) -> None:
    """Write a secret to a new file of mode 600, whole or not at all.

    Args:
        path: File to create; an existing one is never replaced.
        text: What it holds, ASCII.
        what: What the file is called in errors.

    Raises:
        ConfigError: The file exists or cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # Unlike a rename, a link fails when the name is taken.
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        raise ConfigError(
            f"{what} {path} exists and is not replaced; choose another name"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{what} {path} cannot be written: {error.strerror}"
        ) from error


def salt_secret(account: LocalAccount) -> bytes:
    """The secret of `commitments.derive_salt`: HMAC-SHA-256 of the private key.

    Commitments' salts follow from the key alone, and the key does not follow from them.
    """
    return hmac.digest(bytes(account.key), _SALT_SECRET_LABEL, "sha256")


def read_private(
    path: Path, what: str = "key file", *, max_bytes: int = _MAX_FILE_BYTES
) -> str:
    """Read a file that only its owner may read.

    Args:
        path: The file.
        what: What the file is called in errors.
        max_bytes: Bytes that are read at most.

    Raises:
        ConfigError: It is missing, or readable by others.
    """
    try:
        with path.open("rb") as file:
            # Of the open file, so that nobody can swap it in between.
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & _OTHERS:
                raise ConfigError(
                    f"{what} {path} has mode {stat.S_IMODE(mode):o}, so others can "
                    f"read it: run `chmod 600 {path}`"
                )
            content = file.read(max_bytes)
    except OSError as error:
        raise ConfigError(f"{what} {path} cannot be read: {error.strerror}") from error
    return content.decode("utf-8", errors="replace")
