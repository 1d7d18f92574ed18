"""Checks between what a store served and what the caller gets to see. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from protocol.digests import Digest, digest_to_cid
from protocol.errors import (
    ContentNotFound,
    ContentTooLarge,
    DigestMismatch,
    StoreError,
)
from protocol.store.dag_pb import Link
from protocol.store.port import DirectoryLimits
from protocol.store.unixfs import (
    FileNode,
    NodeError,
    block_digest,
    directory_block,
    file_digest,
    parse_directory,
)

__all__ = [
    "entry_of",
    "folder_block",
    "read_files",
    "require_within",
    "verified_directory",
    "verified_file",
]


def verified_file(data: bytes, digest: Digest, *, max_bytes: int) -> bytes:
    """Passes on a file's bytes if they are the right ones and not too many.

    Args:
        data: What was served; one byte past `max_bytes` is enough to refuse it.
        digest: What was asked for.
        max_bytes: The size that it may have.

    Returns:
        The same bytes.

    Raises:
        ContentTooLarge: If there are more than `max_bytes`.
        DigestMismatch: If they make up another file.
    """
    require_within(len(data), max_bytes, digest)
    found = file_digest(data)
    if found != digest:
        raise DigestMismatch(
            f"{digest_to_cid(digest)} was asked for, the {len(data)} bytes served "
            f"make up {digest_to_cid(found)}"
        )
    return data


def verified_directory(block: bytes, digest: Digest) -> tuple[Link, ...]:
    """Reads a folder's block if it is the right one.

    Args:
        block: What was served.
        digest: What was asked for.

    Returns:
        The folder's entries.

    Raises:
        DigestMismatch: If it is another block.
        ContentNotFound: If it is no folder of plain files.
    """
    found = block_digest(block)
    if found != digest:
        raise DigestMismatch(
            f"{digest_to_cid(digest)} was asked for, "
            f"the block served is {digest_to_cid(found)}"
        )
    try:
        return parse_directory(block)
    except NodeError as error:
        raise ContentNotFound(
            f"{digest_to_cid(digest)} is no folder of plain files: {error}"
        ) from error


def entry_of(entries: Sequence[Link], name: str, directory: Digest) -> Link:
    """Finds a folder's entry by name.

    Args:
        entries: The folder's entries.
        name: The file's name.
        directory: The folder's digest, for the message.

    Returns:
        The entry.

    Raises:
        ContentNotFound: If there is none.
    """
    for entry in entries:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in entries[:10]) or "nothing"
    raise ContentNotFound(
        f"folder {digest_to_cid(directory)} has no file {name!r}; it holds {known}"
    )


def require_within(size: int, max_bytes: int, digest: Digest) -> None:
    """Refuses content that is too large.

    Args:
        size: Bytes there are, or are known to be at least.
        max_bytes: Bytes there may be.
        digest: What they belong to, for the message.

    Raises:
        ContentTooLarge: If there are too many.
    """
    if size > max_bytes:
        raise ContentTooLarge(
            f"{digest_to_cid(digest)} has more than the {max_bytes} bytes allowed"
        )


def read_files(
    fetch: Callable[[Digest, int], bytes],
    digest: Digest,
    entries: Sequence[Link],
    limits: DirectoryLimits,
) -> dict[str, bytes]:
    """Fetches the files of a folder one by one, within the folder's limits.

    Args:
        fetch: Fetches a file of at most so many bytes, and verifies it.
        digest: The folder's digest, for the message.
        entries: The folder's entries.
        limits: What it may hold.

    Returns:
        Contents by file name, in the order of the entries.

    Raises:
        StoreError: As `ContentStore.get_directory`.
    """
    _require_few(entries, limits, digest)
    files: dict[str, bytes] = {}
    left = limits.max_total_bytes
    for entry in entries:
        # What the folder states is more than the file's size, or not to be believed.
        max_bytes = min(left, entry.tree_bytes)
        files[entry.name] = fetch(entry.digest, max_bytes)
        left -= len(files[entry.name])
    return files


def _require_few(
    entries: Sequence[Link], limits: DirectoryLimits, digest: Digest
) -> None:
    """Refuses a folder of too many files.

    Args:
        entries: The folder's entries.
        limits: What it may hold.
        digest: The folder's digest, for the message.

    Raises:
        ContentTooLarge: If there are too many files.
    """
    if len(entries) > limits.max_files:
        raise ContentTooLarge(
            f"folder {digest_to_cid(digest)} has {len(entries)} files, "
            f"allowed are {limits.max_files}"
        )


def folder_block(nodes: Mapping[str, FileNode]) -> bytes:
    """Makes a folder's block for storing.

    Args:
        nodes: The files by name.

    Returns:
        The block.

    Raises:
        StoreError: If a name is not plain or there are too many files.
    """
    try:
        return directory_block(nodes)
    except NodeError as error:
        raise StoreError(f"this folder cannot be stored: {error}") from error
