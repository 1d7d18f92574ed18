"""A content store in memory, for tests and as the reference for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from protocol.digests import Digest, digest_to_cid
from protocol.errors import ContentNotFound
from protocol.store.dag_pb import Link
from protocol.store.port import PACKAGE_LIMITS, DirectoryLimits
from protocol.store.unixfs import block_digest, file_node
from protocol.store.verification import (
    entry_of,
    folder_block,
    read_files,
    verified_directory,
    verified_file,
)

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps files and folder blocks in dictionaries; see `ContentStore`.

    Attributes:
        files: Contents by digest. Tests change them to see wrong bytes refused.
        folders: Folder blocks by digest.
        pinned: What has been pinned.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.files: dict[Digest, bytes] = {}
        self.folders: dict[Digest, bytes] = {}
        self.pinned: set[Digest] = set()

    def put(self, data: bytes) -> Digest:
        """See `ContentStore.put`."""
        digest = file_node(data).digest
        self.files[digest] = data
        self.pinned.add(digest)
        return digest

    def put_all(self, contents: Sequence[bytes]) -> tuple[Digest, ...]:
        """See `ContentStore.put_all`."""
        return tuple(map(self.put, contents))

    def get(self, digest: Digest, *, max_bytes: int) -> bytes:
        """See `ContentStore.get`."""
        if digest not in self.files:
            raise ContentNotFound(f"there is no file {digest_to_cid(digest)}")
        return verified_file(self.files[digest], digest, max_bytes=max_bytes)

    def put_directory(self, files: Mapping[str, bytes]) -> Digest:
        """See `ContentStore.put_directory`."""
        nodes = {name: file_node(data) for name, data in files.items()}
        block = folder_block(nodes)
        digest = block_digest(block)
        self.files.update({nodes[name].digest: data for name, data in files.items()})
        self.folders[digest] = block
        self.pinned.add(digest)
        return digest

    def get_directory(
        self, digest: Digest, *, limits: DirectoryLimits = PACKAGE_LIMITS
    ) -> dict[str, bytes]:
        """See `ContentStore.get_directory`."""
        return read_files(
            lambda file, max_bytes: self.get(file, max_bytes=max_bytes),
            digest,
            self._entries(digest),
            limits,
        )

    def get_file(self, directory: Digest, name: str, *, max_bytes: int) -> bytes:
        """See `ContentStore.get_file`."""
        entry = entry_of(self._entries(directory), name, directory)
        return self.get(entry.digest, max_bytes=max_bytes)

    def pin(self, digest: Digest) -> None:
        """See `ContentStore.pin`."""
        if digest not in self.files and digest not in self.folders:
            raise ContentNotFound(f"there is no content {digest_to_cid(digest)}")
        self.pinned.add(digest)

    def unpin(self, digest: Digest) -> None:
        """See `ContentStore.unpin`."""
        self.pinned.discard(digest)

    def _entries(self, digest: Digest) -> tuple[Link, ...]:
        if digest not in self.folders:
            raise ContentNotFound(f"there is no folder {digest_to_cid(digest)}")
        return verified_directory(self.folders[digest], digest)
