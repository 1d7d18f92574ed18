"""The blocks that IPFS makes of files and folders, computed without a node.

What ``ipfs add --cid-version=0`` produces, byte for byte: UnixFS protobufs in dag-pb
blocks, 256 KiB chunks, a balanced tree of at most 174 links a node, no raw leaves. So
the digest of any bytes can be told, and fetched bytes checked, with nothing running.

Formats: the IPLD dag-pb specification (links before data, in canonical order) and the
UnixFS specification, both of the IPFS project.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from protocol.digests import Digest
from protocol.store.dag_pb import (
    Link,
    NodeError,
    bytes_field,
    encode_link,
    number_field,
    parse_block,
    read_fields,
)

__all__ = [
    "CHUNK_BYTES",
    "LINKS_PER_NODE",
    "MAX_DIRECTORY_ENTRIES",
    "FileBlock",
    "FileNode",
    "NodeError",
    "block_digest",
    "check_name",
    "directory_block",
    "directory_digest",
    "file_blocks",
    "file_digest",
    "file_node",
    "parse_directory",
    "parse_file",
]

CHUNK_BYTES = 262_144
LINKS_PER_NODE = 174
# A node shards a directory whose links outgrow 256 KiB into another format. With names
# of at most 128 bytes this many links stay below that.
MAX_DIRECTORY_ENTRIES = 1_000
MAX_NAME_BYTES = 128

_DIRECTORY = 1
_FILE = 2


@dataclass(frozen=True, slots=True)
class FileNode:
    """The root of a file's tree.

    Attributes:
        digest: SHA-256 of the root block: the file's address.
        tree_bytes: Size of all blocks together, as links to it state ("Tsize").
        content_bytes: Size of the file itself.
    """

    digest: Digest
    tree_bytes: int
    content_bytes: int


@dataclass(frozen=True, slots=True)
class FileBlock:
    """One block of a file.

    Attributes:
        node: The tree that this block is the root of.
        block: The block's bytes.
    """

    node: FileNode
    block: bytes


def block_digest(block: bytes) -> Digest:
    """Computes the digest of one block.

    Args:
        block: The block's bytes.

    Returns:
        Its SHA-256.
    """
    return Digest(hashlib.sha256(block).digest())


# ---------------------------------------------------------------- files


def file_digest(data: bytes | BinaryIO) -> Digest:
    """Computes the digest under which IPFS stores these bytes as a file.

    Args:
        data: The contents, or a stream that is read to its end.

    Returns:
        The digest of the file's root block.
    """
    return file_node(data).digest


def file_node(data: bytes | BinaryIO) -> FileNode:
    """Computes digest and sizes of a file, as a folder's link needs them.

    Args:
        data: The contents, or a stream that is read to its end.

    Returns:
        The root of the file's tree.
    """
    root = None
    for made in file_blocks(data):
        root = made.node
    if root is None:
        raise AssertionError("a file has at least one block")
    return root


def file_blocks(data: bytes | BinaryIO) -> Iterator[FileBlock]:
    """Makes all blocks of a file, children first, the root last.

    Keeps one chunk and the sizes and digests of its level in memory, not the file.

    Args:
        data: The contents, or a stream that is read to its end.

    Yields:
        The blocks.
    """
    level: list[FileNode] = []
    for chunk in _chunks(io.BytesIO(data) if isinstance(data, bytes) else data):
        made = _leaf(chunk)
        level.append(made.node)
        yield made
    while len(level) > 1:
        parents = []
        for start in range(0, len(level), LINKS_PER_NODE):
            made = _parent(level[start : start + LINKS_PER_NODE])
            parents.append(made.node)
            yield made
        level = parents


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Full chunks and a shorter last one; an empty file is one empty chunk."""
    chunk = _read_fully(stream)
    yield chunk
    while len(chunk) == CHUNK_BYTES:
        chunk = _read_fully(stream)
        if chunk:
            yield chunk


def _read_fully(stream: BinaryIO) -> bytes:
    # A raw stream or a pipe may return less than it was asked for before its end.
    parts = []
    missing = CHUNK_BYTES
    while missing > 0 and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _leaf(chunk: bytes) -> FileBlock:
    contents = bytes_field(2, chunk) if chunk else b""
    data = number_field(1, _FILE) + contents + number_field(3, len(chunk))
    block = bytes_field(1, data)
    return FileBlock(FileNode(block_digest(block), len(block), len(chunk)), block)


def _parent(children: Sequence[FileNode]) -> FileBlock:
    content_bytes = sum(child.content_bytes for child in children)
    sizes = b"".join(number_field(4, child.content_bytes) for child in children)
    data = number_field(1, _FILE) + number_field(3, content_bytes) + sizes
    links = b"".join(
        encode_link("", child.digest, child.tree_bytes) for child in children
    )
    block = links + bytes_field(1, data)
    tree_bytes = len(block) + sum(child.tree_bytes for child in children)
    return FileBlock(FileNode(block_digest(block), tree_bytes, content_bytes), block)


# ---------------------------------------------------------------- folders


def check_name(name: str) -> str:
    """Checks that a name in a folder is a plain file name.

    Args:
        name: The name.

    Returns:
        The same name.

    Raises:
        NodeError: If it is empty, a relative step, too long, holds a path separator
            or a control character, or cannot be written in UTF-8.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise NodeError(f"file name {name!r} cannot be written in UTF-8") from error
    if not 0 < size <= MAX_NAME_BYTES:
        raise NodeError(
            f"file name {name[:MAX_NAME_BYTES]!r} has {size} bytes, "
            f"allowed are 1 to {MAX_NAME_BYTES}"
        )
    if name in {".", ".."} or any(c in "/\\\x7f" or c < " " for c in name):
        raise NodeError(f"file name {name!r} is not a plain name")
    return name


def directory_digest(entries: Mapping[str, FileNode]) -> Digest:
    """Computes the digest of a folder of files.

    Args:
        entries: Files by name.

    Returns:
        The digest of the folder's block.

    Raises:
        NodeError: If a name is not plain or there are too many.
    """
    return block_digest(directory_block(entries))


def directory_block(entries: Mapping[str, FileNode]) -> bytes:
    """Makes the block of a folder of files.

    Args:
        entries: Files by name.

    Returns:
        The block: links sorted by the bytes of their names.

    Raises:
        NodeError: If a name is not plain or there are too many.
    """
    if len(entries) > MAX_DIRECTORY_ENTRIES:
        raise NodeError(
            f"a folder holds at most {MAX_DIRECTORY_ENTRIES} files, got {len(entries)}"
        )
    names = sorted(entries, key=lambda name: check_name(name).encode("utf-8"))
    links = (encode_link(n, entries[n].digest, entries[n].tree_bytes) for n in names)
    return b"".join(links) + bytes_field(1, number_field(1, _DIRECTORY))


def parse_directory(block: bytes) -> tuple[Link, ...]:
    """Reads a folder's block, which must be exactly as `directory_block` makes it.

    Args:
        block: The block's bytes; the caller has checked their digest.

    Returns:
        Its links, sorted by the bytes of their names.

    Raises:
        NodeError: If it is no folder, or one with too many entries, names that are
            not plain or not unique, or in any other than the canonical form.
    """
    links, data = parse_block(block)
    if data != number_field(1, _DIRECTORY):
        raise NodeError("not a folder (or a sharded one, which is not supported)")
    nodes = {link.name: FileNode(link.digest, link.tree_bytes, 0) for link in links}
    # Rebuilding finds doubled names, wrong order, padded numbers and bad names at once.
    if directory_block(nodes) != block:
        raise NodeError("the folder's block is not in canonical form")
    return tuple(links)


def parse_file(block: bytes) -> tuple[bytes, tuple[Digest, ...]]:
    """Reads one block of a file.

    Args:
        block: The block's bytes; the caller has checked their digest.

    Returns:
        The bytes that the block holds itself, and the digests of its children in
        order. A block of ours has one or the other.

    Raises:
        NodeError: If it is no block of a file.
    """
    links, data = parse_block(block)
    contents = b""
    kind = None
    for number, value in read_fields(data):
        if number == 1:
            kind = value
        elif number == 2 and isinstance(value, bytes):
            contents = value
    if kind != _FILE:
        raise NodeError(f"not a file's block: its UnixFS type is {kind!r}, not {_FILE}")
    return contents, tuple(link.digest for link in links)
