"""Block headers as bytes, rebuilt from what JSON-RPC says about a block.

RLP (Yellow Paper, appendix B) of the header's fields in the order of the Yellow Paper,
section 4.4, with those that EIP-1559, 4895, 4844, 4788, 7685, 7928 and 7843 appended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rlp
from eth_utils.crypto import keccak
from web3 import Web3

from protocol.chain.rpc.blocks import fetch_block
from protocol.errors import ChainError, RpcUnavailable
from protocol.hexadecimal import from_hex, to_hex

__all__ = ["encode_header", "fetch_header"]

# JSON-RPC name and whether RLP holds it as a number, leading zeros stripped.
_FIELDS = (
    ("parentHash", False),
    ("sha3Uncles", False),
    ("miner", False),
    ("stateRoot", False),
    ("transactionsRoot", False),
    ("receiptsRoot", False),
    ("logsBloom", False),
    ("difficulty", True),
    ("number", True),
    ("gasLimit", True),
    ("gasUsed", True),
    ("timestamp", True),
    ("extraData", False),
    ("mixHash", False),
    ("nonce", False),
)
# Each fork appended some; a block has the first few of them.
_LATER_FIELDS = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
    ("blockAccessListHash", False),
    ("slotNumber", True),
)


def encode_header(block: Mapping[str, Any]) -> bytes:
    """RLP of a block's header.

    Args:
        block: The block as `eth_getBlockByNumber` returns it.

    Raises:
        ValueError: A field is missing or no hexadecimal string.
    """
    present = [field for field in _LATER_FIELDS if block.get(field[0]) is not None]
    items = []
    for name, is_number in (*_FIELDS, *present):
        value = block.get(name)
        if not isinstance(value, str) or not value.startswith("0x"):
            raise ValueError(f"header field {name} is {value!r}")
        items.append(_number(value) if is_number else from_hex(value))
    return bytes(rlp.encode(items))


def fetch_header(web3: Web3, block_number: int) -> bytes:
    """The header of a mined block, checked against the block's hash.

    Raises:
        RpcUnavailable: The node does not have the block, or describes it badly.
        ChainError: The header has a field that this version does not know.
    """
    block = fetch_block(web3, block_number)
    if block is None:
        raise RpcUnavailable(f"the node does not have block {block_number}")
    try:
        header = encode_header(block)
    except ValueError as error:
        raise RpcUnavailable(f"malformed block {block_number}: {error}") from error
    actual = to_hex(keccak(header))
    if actual != block.get("hash"):
        raise ChainError(
            f"the header of block {block_number} hashes to {actual}, the node says "
            f"{block.get('hash')}: the chain may be of a newer fork than this version "
            "knows"
        )
    return header


def _number(value: str) -> bytes:
    number = int(value, 16)
    return number.to_bytes((number.bit_length() + 7) // 8)
