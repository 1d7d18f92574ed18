"""The key files of a data folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eth_typing import ChecksumAddress

from protocol.chain.keys.accounts import address_in, create_keystore, read_key
from protocol.chain.keys.keystore import is_keystore
from protocol.chain.keys.passwords import PasswordSource
from protocol.errors import ConfigError

__all__ = ["KeyFile", "KeyRing"]

_FOLDER = "keys"
_SUFFIX = ".json"
_MODE_PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One key file.

    Attributes:
        path: Where it is.
        address: Its account; None where the file does not tell, or is damaged.
        is_encrypted: Whether it takes a password.
        fault: Why it cannot be used; empty otherwise.
    """

    path: Path
    address: ChecksumAddress | None
    is_encrypted: bool
    fault: str = ""


class KeyRing:
    """Makes and lists the key files of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        """Nothing is made before it is needed."""
        self._folder = data_dir / _FOLDER

    def path_of(self, name: str) -> Path:
        """Where the key of a name is or would be.

        Raises:
            ConfigError: The name is no plain file name.
        """
        if not name or name.startswith(".") or Path(name).name != name:
            raise ConfigError(f"key name {name!r}: give a plain one such as worker")
        return self._folder / (name + _SUFFIX)

    def list(self) -> Iterator[KeyFile]:
        """All key files of the folder, by name."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            yield _described(path)

    def new(self, name: str, password: PasswordSource) -> KeyFile:
        """Make a key, encrypted from the first byte that is written.

        Raises:
            ConfigError: The name is taken, or the password or the folder cannot be
                used.
        """
        return self._save(name, None, password)

    def import_key(
        self, name: str, source: Path, old: PasswordSource, new: PasswordSource
    ) -> KeyFile:
        """Copy a key from elsewhere, plain or encrypted, into an encrypted file.

        Args:
            name: Name of the new file.
            source: The key file; a pipe will do.
            old: What opens it, should it be encrypted.
            new: What shall open the new one.

        Raises:
            ConfigError: The source holds no key, or as `new`.
        """
        return self._save(name, read_key(source, old), new)

    def _save(self, name: str, key: bytes | None, password: PasswordSource) -> KeyFile:
        path = self.path_of(name)
        if path.exists():
            raise ConfigError(
                f"key file {path} exists and is not replaced; choose another name"
            )
        try:
            self._folder.mkdir(_MODE_PRIVATE_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"folder {self._folder} cannot be made: {error.strerror}"
            ) from error
        return KeyFile(path, create_keystore(path, password, key), is_encrypted=True)


def _described(path: Path) -> KeyFile:
    try:
        address = address_in(path)
        is_encrypted = is_keystore(path.read_text(encoding="utf-8", errors="replace"))
    except ConfigError as error:
        return KeyFile(path, None, is_encrypted=False, fault=str(error))
    return KeyFile(path, address, is_encrypted)
