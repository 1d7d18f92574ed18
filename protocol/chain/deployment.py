"""Where a marketplace is: the file that everyone who uses it starts from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_address

from protocol.errors import ConfigError
from protocol.hexadecimal import from_hex, to_hex
from protocol.strict_json import parse_json

__all__ = ["CONTRACT_ROLES", "Deployment"]

CONTRACT_ROLES = ("marketplace", "lens", "registry", "token")
"""What a deployment consists of, by the names of its addresses."""

_MAX_FILE_BYTES = 16 * 1024
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Deployment:
    """Addresses of one marketplace on one chain.

    Attributes:
        chain_id: Chain id (EIP-155).
        marketplace: Address of the marketplace.
        lens: Address of the contract that makes its storage readable.
        registry: Address of its model registry.
        token: Address of the token it pays in.
        block_number: First block that can hold an event of these contracts.
        code_hashes: Keccak-256 of the code of each of `CONTRACT_ROLES`, as `0x` and 64
            digits; a name that is missing is not checked.
    """

    chain_id: int
    marketplace: ChecksumAddress
    lens: ChecksumAddress
    registry: ChecksumAddress
    token: ChecksumAddress
    block_number: int
    code_hashes: Mapping[str, str]

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read a deployment file.

        Raises:
            ConfigError: It is missing or malformed; the message names file and field.
        """
        document = _read(path)
        addresses = {name: _address(path, document, name) for name in CONTRACT_ROLES}
        return cls(
            chain_id=_number(path, document, "chainId", minimum=1),
            block_number=_number(path, document, "blockNumber", minimum=0),
            code_hashes=_hashes(path, document),
            **addresses,
        )

    def save(self, path: Path) -> None:
        """Write the file, replacing an older one in one step.

        Raises:
            ConfigError: The folder cannot be written to.
        """
        document = {
            "chainId": self.chain_id,
            "marketplace": self.marketplace,
            "lens": self.lens,
            "registry": self.registry,
            "token": self.token,
            "blockNumber": self.block_number,
            "codeHashes": dict(self.code_hashes),
        }
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
            draft.replace(path)
        except OSError as error:
            raise ConfigError(
                f"deployment file {path} cannot be written: {error.strerror}"
            ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"deployment file {path} cannot be read: {error.strerror}; "
            "deploy a marketplace, or pass the file of one"
        ) from error
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigError(f"deployment file {path} is above {_MAX_FILE_BYTES} bytes")
    try:
        document = parse_json(content.decode("utf-8"), max_depth=_MAX_DEPTH)
    except ValueError as error:
        raise ConfigError(f"deployment file {path} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"deployment file {path} holds no JSON object")
    return document


def _field(path: Path, document: Mapping[str, Any], name: str) -> Any:
    if name not in document:
        raise ConfigError(f"deployment file {path}: field {name} is missing")
    return document[name]


def _number(path: Path, document: Mapping[str, Any], name: str, *, minimum: int) -> int:
    value = _field(path, document, name)
    if type(value) is not int or value < minimum:
        raise ConfigError(
            f"deployment file {path}: {name} is {value!r}, "
            f"not an integer from {minimum} on"
        )
    return value


def _address(path: Path, document: Mapping[str, Any], name: str) -> ChecksumAddress:
    value = _field(path, document, name)
    if not isinstance(value, str) or not is_checksum_address(value):
        raise ConfigError(
            f"deployment file {path}: {name} is {value!r}, "
            "not an address with its checksum (EIP-55)"
        )
    return ChecksumAddress(value)  # type: ignore[arg-type]


def _hashes(path: Path, document: Mapping[str, Any]) -> Mapping[str, str]:
    value = _field(path, document, "codeHashes")
    if not isinstance(value, dict):
        raise ConfigError(f"deployment file {path}: codeHashes is no object")
    for name, digest in value.items():
        try:
            value[name] = to_hex(from_hex(digest, 32))
        except ValueError as error:
            raise ConfigError(
                f"deployment file {path}: codeHashes.{name}: {error}"
            ) from error
    return value
