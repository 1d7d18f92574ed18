"""Where a marketplace is: the file that everyone who uses it starts from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_address
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from protocol.errors import ConfigError
from protocol.strict_model import HexWord

__all__ = ["CONTRACT_ROLES", "Deployment"]

CONTRACT_ROLES: Mapping[str, str] = {
    "marketplace": "Marketplace",
    "lens": "MarketplaceLens",
    "registry": "ModelRegistry",
    "token": "TestDollar",
}
"""What a deployment consists of: names of its addresses, and whose ABI each has."""

_MAX_FILE_BYTES = 16 * 1024


def _checked(address: ChecksumAddress) -> ChecksumAddress:
    if not is_checksum_address(address):
        raise ValueError("not an address with its checksum (EIP-55)")
    return address


_Address = Annotated[ChecksumAddress, AfterValidator(_checked)]


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

    chain_id: Annotated[int, Field(ge=1)]
    marketplace: _Address
    lens: _Address
    registry: _Address
    token: _Address
    block_number: Annotated[int, Field(ge=0)]
    code_hashes: Mapping[str, HexWord]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        strict=True, alias_generator=to_camel
    )

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read a deployment file.

        Raises:
            ConfigError: It is missing or malformed; the message names file and field.
        """
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except OSError as error:
            raise ConfigError(
                f"deployment file {path} cannot be read: {error.strerror}; "
                "deploy a marketplace, or pass the file of one"
            ) from error
        if len(content) > _MAX_FILE_BYTES:
            raise ConfigError(
                f"deployment file {path} is above {_MAX_FILE_BYTES} bytes"
            )
        try:
            return _FILE.validate_json(content)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"]) or "its content"
            raise ConfigError(
                f"deployment file {path}: {where}: {fault['msg']}"
            ) from error

    def save(self, path: Path) -> None:
        """Write the file, replacing an older one in one step.

        Raises:
            ConfigError: The folder cannot be written to.
        """
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_bytes(_FILE.dump_json(self, indent=2, by_alias=True) + b"\n")
            draft.replace(path)
        except OSError as error:
            raise ConfigError(
                f"deployment file {path} cannot be written: {error.strerror}"
            ) from error


_FILE = TypeAdapter(Deployment)
