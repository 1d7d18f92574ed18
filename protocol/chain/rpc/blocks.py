"""What a worker asks of blocks again and again, read as the node wrote it.

web3 would take apart every field of a block to hand out two of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web3 import Web3

from protocol.chain.rpc.provider import request
from protocol.errors import RpcUnavailable

__all__ = ["Head", "fetch_hash", "fetch_head"]

_HASH = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Head:
    """The last mined block.

    Attributes:
        number: Its number.
        block_hash: Its hash, `0x` and 64 digits.
        time: Its time, Unix seconds.
    """

    number: int
    block_hash: str
    time: int


def fetch_head(web3: Web3) -> Head:
    """The last mined block. Raises RpcUnavailable."""
    block = _fetch(web3, "latest")
    try:
        if block is None:
            raise ValueError("there is none")
        return Head(
            int(block["number"], 16), _hash_of(block), int(block["timestamp"], 16)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"malformed latest block: {error}") from error


def fetch_hash(web3: Web3, number: int) -> str | None:
    """Hash of the block at a height; None if there is none. Raises RpcUnavailable."""
    block = _fetch(web3, hex(number))
    try:
        return None if block is None else _hash_of(block)
    except (KeyError, ValueError) as error:
        raise RpcUnavailable(f"malformed block {number}: {error}") from error


def _fetch(web3: Web3, block: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None
    found = request(web3, "eth_getBlockByNumber", block, False)
    return found


def _hash_of(block: Mapping[str, Any]) -> str:
    digest = str(block["hash"]).lower()
    if _HASH.fullmatch(digest) is None:
        raise ValueError(f"its hash is {digest[:80]!r}")
    return digest
