"""Solidity sources with the compiled artifacts that everything else loads.

The artifacts are committed, so nothing but ``contracts.build`` needs a compiler.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

__all__ = ["Artifact", "load_artifact"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*")


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract.

    Attributes:
        name: The contract's name.
        abi: Its interface, in the JSON form that web3 takes.
        bytecode: Creation code; constructor arguments are appended to it. Empty
            for an interface.
        deployed_bytecode: Code as it lies on the chain, its immutables zero.
        immutables: Start and length of each place in it that holds an immutable.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    deployed_bytecode: bytes
    immutables: tuple[tuple[int, int], ...]

    def masked(self, code: bytes) -> bytes:
        """Code of this contract's length with zeros in place of its immutables."""
        plain = bytearray(code)
        for start, length in self.immutables:
            plain[start : start + length] = bytes(length)
        return bytes(plain)


def load_artifact(name: str) -> Artifact:
    """Loads a committed artifact by contract name, such as ``"Marketplace"``.

    Args:
        name: The contract's name, without a suffix.

    Returns:
        The artifact.

    Raises:
        LookupError: If there is no artifact of that name; the message lists those
            that exist.
    """
    folder = resources.files(__name__) / "artifacts"
    file = folder / f"{name}.json"
    if _NAME.fullmatch(name) is None or not file.is_file():
        known = (
            sorted(entry.name.removesuffix(".json") for entry in folder.iterdir())
            if folder.is_dir()
            else []
        )
        raise LookupError(
            f"no artifact {name!r}: there are {', '.join(known) or 'none'}; "
            "`make build` compiles them"
        )
    document = json.loads(file.read_text("utf-8"))
    return Artifact(
        name=document["contractName"],
        abi=document["abi"],
        bytecode=bytes.fromhex(document["bytecode"].removeprefix("0x")),
        deployed_bytecode=bytes.fromhex(
            document["deployedBytecode"].removeprefix("0x")
        ),
        immutables=tuple(
            (start, length) for start, length in document["immutableReferences"]
        ),
    )
