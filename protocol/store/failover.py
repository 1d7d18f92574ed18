"""Several IPFS nodes as one content store: what one does not give, the next may."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from protocol.digests import Digest
from protocol.errors import (
    ContentNotFound,
    DigestMismatch,
    StoreError,
    StoreUnavailable,
)
from protocol.host.backoff import Pauses
from protocol.store.ipfs import IpfsStore
from protocol.store.port import (
    PACKAGE_LIMITS,
    ContentStore,
    DirectoryLimits,
    PeerNode,
)

__all__ = ["FailoverStore", "IpfsContent", "open_store"]

logger = logging.getLogger(__name__)

# A node that failed is asked last for so long.
_MISTRUST_SECONDS = 30.0

_T = TypeVar("_T")


class IpfsContent(ContentStore, PeerNode, Protocol):
    """A content store on IPFS, of one node or several.

    Attributes:
        api: The RPC address, or addresses with commas between them, to show.
    """

    api: str

    def ping(self) -> str:
        """Version of the first node that answers. Raises StoreUnavailable."""
        ...


def open_store(apis: str, *, timeout_seconds: float = 30.0) -> IpfsContent:
    """The store of a setting `ipfs_api`.

    Args:
        apis: RPC address of an IPFS node, or several with commas between them, the
            best one first.
        timeout_seconds: How long a fetch from one of them may take to begin.

    Raises:
        ConfigError: If an address makes no sense.
    """
    stores = [
        IpfsStore(api.strip(), timeout_seconds=timeout_seconds)
        for api in apis.split(",")
    ]
    return stores[0] if len(stores) == 1 else FailoverStore(stores)


class FailoverStore:
    """Asks its nodes one after the other; see `ContentStore`. Thread-safe.

    A node that is down, has not the bytes, or serves wrong ones is passed over, and one
    that is down or lies comes last for a while. Content is put on the first node that
    takes it. `unpin` goes to all nodes, since which one has the pin is not recorded.

    Attributes:
        api: All their RPC addresses.
    """

    def __init__(
        self,
        stores: Sequence[IpfsContent],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Join stores.

        Args:
            stores: At least one, the best one first.
            clock: Seconds that only go forward.
        """
        if not stores:
            raise ValueError("a store needs at least one node")
        self.api = ",".join(store.api for store in stores)
        self._stores = tuple(stores)
        self._mistrust = Pauses(
            first_seconds=_MISTRUST_SECONDS,
            longest_seconds=_MISTRUST_SECONDS,
            clock=clock,
        )

    def put(self, data: bytes) -> Digest:
        """See `ContentStore.put`."""
        return self._first(lambda store: store.put(data))

    def put_all(self, contents: Sequence[bytes]) -> tuple[Digest, ...]:
        """See `ContentStore.put_all`."""
        return self._first(lambda store: store.put_all(contents))

    def get(self, digest: Digest, *, max_bytes: int) -> bytes:
        """See `ContentStore.get`."""
        return self._first(lambda store: store.get(digest, max_bytes=max_bytes))

    def put_directory(self, files: Mapping[str, bytes]) -> Digest:
        """See `ContentStore.put_directory`."""
        return self._first(lambda store: store.put_directory(files))

    def get_directory(
        self, digest: Digest, *, limits: DirectoryLimits = PACKAGE_LIMITS
    ) -> dict[str, bytes]:
        """See `ContentStore.get_directory`."""
        return self._first(lambda store: store.get_directory(digest, limits=limits))

    def get_file(self, directory: Digest, name: str, *, max_bytes: int) -> bytes:
        """See `ContentStore.get_file`."""
        return self._first(
            lambda store: store.get_file(directory, name, max_bytes=max_bytes)
        )

    def pin(self, digest: Digest) -> None:
        """See `ContentStore.pin`."""
        self._first(lambda store: store.pin(digest))

    def unpin(self, digest: Digest) -> None:
        """See `ContentStore.unpin`; raises if one node does not answer."""
        failures = [e for _, e in self._each(lambda store: store.unpin(digest)) if e]
        if failures:
            raise failures[0]

    def ping(self) -> str:
        """See `IpfsContent.ping`."""
        return self._first(lambda store: store.ping())

    def addresses(self) -> tuple[str, ...]:
        """See `PeerNode.addresses`: those of all nodes that answer."""
        answers = list(self._each(lambda store: store.addresses()))
        failures = [error for _, error in answers if error]
        if len(failures) == len(self._stores):
            raise _joined(failures)
        return tuple(address for answer, _ in answers for address in answer or ())

    def connect(self, address: str) -> None:
        """See `PeerNode.connect`: of every node; one that can is enough."""
        answers = self._each(lambda store: store.connect(address))
        failures = [error for _, error in answers if error]
        if len(failures) == len(self._stores):
            raise _joined(failures)

    def _first(self, ask: Callable[[IpfsContent], _T]) -> _T:
        failures: list[StoreError] = []
        for index in self._order():
            try:
                return ask(self._stores[index])
            except StoreError as error:
                failures.append(error)
                self._note(index, error)
        raise _joined(failures)

    def _each(
        self, ask: Callable[[IpfsContent], _T]
    ) -> Iterator[tuple[_T | None, StoreError | None]]:
        for store in self._stores:
            try:
                yield ask(store), None
            except StoreError as error:
                yield None, error

    def _order(self) -> list[int]:
        return sorted(range(len(self._stores)), key=self._mistrust.is_paused)

    def _note(self, index: int, error: StoreError) -> None:
        if isinstance(error, StoreUnavailable | DigestMismatch):
            self._mistrust.fail(index)
        logger.info(
            "content node failed",
            extra={"ipfs_api": self._stores[index].api, "reason": str(error)},
        )


def _joined(failures: Sequence[StoreError]) -> StoreError:
    """One error for all: worth another try if any of them is."""
    retryable = [error for error in failures if error.is_retryable]
    missing = [error for error in retryable if isinstance(error, ContentNotFound)]
    kind = type((missing or retryable or failures)[0])
    reasons = "; ".join(dict.fromkeys(map(str, failures)))
    return kind(f"none of {len(failures)} IPFS nodes: {reasons}")
