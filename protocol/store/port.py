"""What Assay asks of a content store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocol.digests import Digest

__all__ = ["PACKAGE_LIMITS", "ContentStore", "DirectoryLimits", "PeerNode"]


@dataclass(frozen=True, slots=True)
class DirectoryLimits:
    """What a folder may hold when it is fetched.

    Attributes:
        max_files: Number of files.
        max_total_bytes: Sizes of all files together.
    """

    max_files: int
    max_total_bytes: int


# A model package: a handful of files, weights of at most 8 GiB.
PACKAGE_LIMITS = DirectoryLimits(max_files=64, max_total_bytes=8 * 2**30)


class ContentStore(Protocol):
    """Bytes kept under the digest of the IPFS file or folder that they make up.

    Every implementation checks bytes against the digest before it returns them. All
    methods may raise `protocol.errors.StoreUnavailable`; a missing piece never keeps
    them waiting without a limit.
    """

    def put(self, data: bytes) -> Digest:
        """Stores and pins a file.

        Args:
            data: Its contents.

        Returns:
            Its digest.
        """
        ...

    def put_all(self, contents: Sequence[bytes]) -> tuple[Digest, ...]:
        """Stores and pins files, in one request where that is possible.

        Args:
            contents: Those of each file.

        Returns:
            Their digests, in the same order.
        """
        ...

    def get(self, digest: Digest, *, max_bytes: int) -> bytes:
        """Fetches a file.

        Args:
            digest: The file's digest.
            max_bytes: The size that it may have.

        Returns:
            Its contents, which hash to `digest`.

        Raises:
            ContentNotFound: If the bytes cannot be had in time, or it is no file.
            ContentTooLarge: If there are more of them.
            DigestMismatch: If other bytes are served.
        """
        ...

    def put_directory(self, files: Mapping[str, bytes]) -> Digest:
        """Stores and pins a folder of files.

        Args:
            files: Contents by plain file name.

        Returns:
            The folder's digest.

        Raises:
            StoreError: If a name is not plain or there are too many files.
        """
        ...

    def get_directory(
        self, digest: Digest, *, limits: DirectoryLimits = PACKAGE_LIMITS
    ) -> dict[str, bytes]:
        """Fetches a folder with all its files.

        Args:
            digest: The folder's digest.
            limits: What it may hold.

        Returns:
            Contents by file name, sorted; every one under `digest`.

        Raises:
            ContentNotFound: If bytes cannot be had in time, or it is no folder of
                plain files.
            ContentTooLarge: If it exceeds a limit.
            DigestMismatch: If other bytes are served.
        """
        ...

    def get_file(self, directory: Digest, name: str, *, max_bytes: int) -> bytes:
        """Fetches one file of a folder.

        Args:
            directory: The folder's digest.
            name: The file's name.
            max_bytes: The size that it may have.

        Returns:
            Its contents, which are under `directory`.

        Raises:
            ContentNotFound: If bytes cannot be had in time, there is no such file, or
                it is no folder of plain files.
            ContentTooLarge: If the file is larger.
            DigestMismatch: If other bytes are served.
        """
        ...

    def pin(self, digest: Digest) -> None:
        """Keeps content, fetching what is missing.

        Args:
            digest: Digest of a file or folder.

        Raises:
            ContentNotFound: If the bytes cannot be had in time.
        """
        ...

    def unpin(self, digest: Digest) -> None:
        """Lets content go; nothing happens if it was not pinned.

        Args:
            digest: Digest of a file or folder.
        """
        ...


class PeerNode(Protocol):
    """A store's node as one among its peers. Methods raise `StoreError`."""

    def addresses(self) -> tuple[str, ...]:
        """Where the node says that peers reach it: multiaddresses with its identity."""
        ...

    def connect(self, address: str) -> None:
        """Connects to a peer; nothing changes if it is connected already.

        Args:
            address: The peer's multiaddress with its identity.

        Raises:
            StoreUnavailable: If the peer, or the node, does not answer in time.
        """
        ...
