"""Blocks, read as the node wrote them.

web3 would take apart every field of a block to hand out two of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from web3 import Web3

from protocol.chain.rpc.provider import request
from protocol.errors import RpcUnavailable

__all__ = ["BlockHead", "MinedBlock", "fetch_block", "fetch_head"]

MinedBlock = int | Literal["latest"]
"""A block's number, or the last mined block."""

_HASH = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BlockHead:
    """A mined block.

    Attributes:
        number: Its number.
        block_hash: Its hash, `0x` and 64 digits.
        time: Its time, Unix seconds.
    """

    number: int
    block_hash: str
    time: int


def fetch_block(web3: Web3, block: MinedBlock) -> Mapping[str, Any] | None:
    """All fields of a block, without its transactions.

    Returns:
        What `eth_getBlockByNumber` answers; None if the node does not have the block.

    Raises:
        RpcUnavailable: The node failed.
    """
    tag = block if isinstance(block, str) else hex(block)
    fields: Mapping[str, Any] | None
    fields = request(web3, "eth_getBlockByNumber", tag, False)
    return fields


def fetch_head(web3: Web3, block: MinedBlock = "latest") -> BlockHead | None:
    """Number, hash and time of a block; None if the node does not have it.

    Raises:
        RpcUnavailable: The node failed, or describes the block badly.
    """
    fields = fetch_block(web3, block)
    if fields is None:
        return None
    try:
        digest = str(fields["hash"]).lower()
        if _HASH.fullmatch(digest) is None:
            raise ValueError(f"its hash is {digest[:80]!r}")
        return BlockHead(
            int(fields["number"], 16), digest, int(fields["timestamp"], 16)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"malformed block {block}: {error}") from error
