"""Blocks in the dag-pb format: named links, then data. The part that files need.

Reference: the IPLD dag-pb specification, whose encoding is a canonical subset of
protobuf: links before data, fields in order, no others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from protocol.digests import DIGEST_BYTES, Digest

__all__ = [
    "Link",
    "NodeError",
    "bytes_field",
    "encode_link",
    "number_field",
    "parse_block",
    "read_fields",
]

_MULTIHASH_PREFIX = b"\x12\x20"
_MAX_VARINT_BYTES = 10


class NodeError(ValueError):
    """A block is not what a file or folder of ours can consist of."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another block.

    Attributes:
        name: Its name; empty within a file.
        digest: The other block's address.
        tree_bytes: Size of that block and all below it ("Tsize").
    """

    name: str
    digest: Digest
    tree_bytes: int


def encode_link(name: str, digest: Digest, tree_bytes: int) -> bytes:
    """Encodes a link as a field of its block.

    Args:
        name: The link's name.
        digest: What it links to.
        tree_bytes: Size of that block and all below it.

    Returns:
        The field's bytes.
    """
    body = bytes_field(1, _MULTIHASH_PREFIX + digest)
    body += bytes_field(2, name.encode("utf-8")) + number_field(3, tree_bytes)
    return bytes_field(2, body)


def parse_block(block: bytes) -> tuple[list[Link], bytes]:
    """Splits a block into links and data.

    Args:
        block: The block's bytes.

    Returns:
        Its links in order, and its data.

    Raises:
        NodeError: If it is no dag-pb block, or links to anything but CIDv0.
    """
    links = []
    data = None
    for number, value in read_fields(block):
        if not isinstance(value, bytes) or number not in (1, 2) or data is not None:
            raise NodeError("not a dag-pb block: links come first, then one data field")
        if number == 2:
            links.append(_parse_link(value))
        else:
            data = value
    if data is None:
        raise NodeError("a dag-pb block without data")
    return links, data


def number_field(field: int, value: int) -> bytes:
    """Encodes a number as a field of a protobuf message.

    Args:
        field: The field's number.
        value: What it holds, not negative.

    Returns:
        The field's bytes.
    """
    return _varint(field << 3) + _varint(value)


def bytes_field(field: int, value: bytes) -> bytes:
    """Encodes bytes as a field of a protobuf message.

    Args:
        field: The field's number.
        value: What it holds.

    Returns:
        The field's bytes.
    """
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def read_fields(message: bytes) -> Iterable[tuple[int, int | bytes]]:
    """Reads a protobuf message; only the two wire types in use are known.

    Args:
        message: The message.

    Yields:
        Field numbers with numbers or bytes, in order.

    Raises:
        NodeError: If it is malformed or uses another wire type.
    """
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        value, at = _read_varint(message, at)
        if key & 7 == 0:
            yield key >> 3, value
        elif key & 7 == 2 and at + value <= len(message):
            yield key >> 3, message[at : at + value]
            at += value
        else:
            raise NodeError("not a protobuf message, or one that is cut short")


def _parse_link(body: bytes) -> Link:
    fields = list(islice(read_fields(body), 4))
    match fields:
        case [(1, bytes(multihash)), (2, bytes(raw_name)), (3, int(tree_bytes))]:
            pass
        case _:
            raise NodeError("a dag-pb link without hash, name or size")
    if multihash[:2] != _MULTIHASH_PREFIX or len(multihash) != 2 + DIGEST_BYTES:
        raise NodeError("a link to something that is not addressed by CIDv0")
    try:
        name = raw_name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NodeError("a link whose name is not UTF-8") from error
    return Link(name, Digest(multihash[2:]), tree_bytes)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise NodeError("a protobuf number that does not end")
