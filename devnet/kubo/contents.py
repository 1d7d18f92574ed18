"""Files and folders put together from the local block store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from devnet.kubo.errors import KuboError
from devnet.kubo.repository import Repository
from protocol.digests import Digest, digest_to_cid
from protocol.store.dag_pb import Link
from protocol.store.unixfs import NodeError, parse_directory, parse_file

__all__ = ["BlockMissing", "list_folder", "measure_file", "read_file"]

# A few blocks can link to each other so that reading them in order never ends: such a
# tree is deep, or its leaves are empty, or the same blocks come again and again.
_MAX_BLOCKS = 200_000
_MAX_DEPTH = 16
_CACHED_BLOCKS = 64


class BlockMissing(Exception):
    """A block is not in the local store."""


def read_file(
    repository: Repository, digest: Digest, *, offset: int = 0, length: int
) -> Iterator[bytes]:
    """Reads a file that is completely here, as far as it is asked for.

    Args:
        repository: Where the blocks lie.
        digest: The file's address.
        offset: Bytes to leave out at the start.
        length: Bytes to read at most.

    Yields:
        Its contents, block by block.

    Raises:
        BlockMissing: If a block is not here.
        KuboError: If it is not a file.
    """
    skip, left = offset, length
    for contents in _leaves(repository, digest):
        if left <= 0:
            return
        part = contents[skip : skip + left]
        skip = max(0, skip - len(contents))
        left -= len(part)
        if part:
            yield part


def measure_file(
    repository: Repository, digest: Digest, *, offset: int = 0, length: int
) -> int | None:
    """Counts the bytes that `read_file` would give.

    Args:
        repository: Where the blocks lie.
        digest: The file's address.
        offset: Bytes to leave out at the start.
        length: Bytes to count at most.

    Returns:
        The number of bytes, or None if a block is missing.

    Raises:
        KuboError: If it is not a file.
    """
    parts = read_file(repository, digest, offset=offset, length=length)
    try:
        return sum(len(part) for part in parts)
    except BlockMissing:
        return None


def list_folder(repository: Repository, digest: Digest) -> tuple[Link, ...] | None:
    """Lists a folder whose block is here.

    Args:
        repository: Where the blocks lie.
        digest: The folder's address.

    Returns:
        Its entries, or None if it is a file.

    Raises:
        BlockMissing: If the block is not here.
        KuboError: If it is neither a file nor a folder of ours.
    """
    block = _block(repository, digest)
    try:
        return parse_directory(block)
    except NodeError as folder_error:
        try:
            parse_file(block)
        except NodeError:
            raise KuboError(f"{digest_to_cid(digest)}: {folder_error}") from None
        return None


def _leaves(repository: Repository, digest: Digest) -> Iterator[bytes]:
    """The contents of a tree's blocks in order, whatever the tree."""

    @lru_cache(_CACHED_BLOCKS)
    def parsed(wanted: Digest) -> tuple[bytes, tuple[Digest, ...]]:
        try:
            return parse_file(_block(repository, wanted))
        except NodeError as error:
            raise KuboError(f"{digest_to_cid(wanted)}: {error}") from None

    waiting = [(digest, 1)]
    for _ in range(_MAX_BLOCKS):
        if not waiting:
            return
        current, depth = waiting.pop()
        contents, children = parsed(current)
        if depth > _MAX_DEPTH or (depth > 1 and not contents and not children):
            raise KuboError(f"{digest_to_cid(digest)} is no file that IPFS makes")
        yield contents
        waiting.extend((child, depth + 1) for child in reversed(children))
    raise KuboError(f"{digest_to_cid(digest)} has more than {_MAX_BLOCKS} blocks")


def _block(repository: Repository, digest: Digest) -> bytes:
    block = repository.read_block(digest)
    if block is None:
        raise BlockMissing
    return block
