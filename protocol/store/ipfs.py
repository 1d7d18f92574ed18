"""The content store on any IPFS node that speaks Kubo's RPC, through ipfshttpclient."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ipfshttpclient
from ipfshttpclient import exceptions as rpc_errors

from protocol.dag_pb import Link
from protocol.digests import Digest, DigestError, cid_to_digest, digest_to_cid
from protocol.errors import (
    ConfigError,
    ContentNotFound,
    DigestMismatch,
    StoreError,
    StoreUnavailable,
)
from protocol.store.port import PACKAGE_LIMITS, DirectoryLimits
from protocol.store.verification import (
    entry_of,
    folder_block,
    read_files,
    verified_directory,
    verified_file,
)
from protocol.unixfs import (
    CHUNK_BYTES,
    block_digest,
    file_digest,
    file_node,
)

__all__ = ["IpfsStore"]

# Kubo's defaults for these change between releases; a digest must not.
_ADD_OPTIONS = {
    "cid-version": "0",
    "chunker": f"size-{CHUNK_BYTES}",
    "raw-leaves": "false",
    "trickle": "false",
    "pin": "true",
}
_CONNECT_SECONDS = 5.0
# The node gets the shorter limit, so that its own word on what is missing arrives.
_ANSWER_MARGIN_SECONDS = 5.0
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class IpfsStore:
    """Content on an IPFS node; see `ContentStore`. May be shared between threads.

    Attributes:
        api: The node's RPC address, without credentials.
    """

    def __init__(self, api: str, *, timeout_seconds: float = 30.0) -> None:
        """Describe the node; nothing is sent before the first call.

        Args:
            api: Its RPC address, such as ``http://127.0.0.1:5001``; a user name and
                password in it are sent along.
            timeout_seconds: How long a fetch may take.

        Raises:
            ConfigError: If the address makes no sense.
        """
        self.api, address, credentials = _parse_api(api)
        self._fetch_options = {"timeout": f"{max(1, round(timeout_seconds * 1000))}ms"}
        # The library passes urllib3 2 a parameter that only urllib3 3 will refuse. Said
        # here and not around each call, since filters belong to all threads.
        warnings.filterwarnings(
            "ignore",
            message="The 'strict' parameter is no longer needed",
            category=FutureWarning,
        )
        # Not `connect()`: that refuses every node released since 2020.
        self._client = ipfshttpclient.Client(
            address,
            auth=credentials,
            timeout=(_CONNECT_SECONDS, timeout_seconds + _ANSWER_MARGIN_SECONDS),
        )
        _bypass_proxies(self._client, self.api)

    def check(self) -> None:
        """Ask the node for anything at all. Raises StoreUnavailable."""
        with self._translated("its version"):
            self._client.version()

    def put(self, data: bytes) -> Digest:
        """See `ContentStore.put`."""
        with self._translated("a file"):
            cid = self._client.add_bytes(data, opts=dict(_ADD_OPTIONS))
        return self._require_stored(cid, file_digest(data))

    def get(self, digest: Digest, *, max_bytes: int) -> bytes:
        """See `ContentStore.get`."""
        cid = digest_to_cid(digest)
        # One byte more tells that there is more, without fetching the rest.
        options = {**self._fetch_options, "length": str(max_bytes + 1)}
        with self._translated(cid, refused=ContentNotFound):
            data = self._client.cat(cid, opts=options)
        return verified_file(bytes(data), digest, max_bytes=max_bytes)

    def put_directory(self, files: Mapping[str, bytes]) -> Digest:
        """See `ContentStore.put_directory`."""
        nodes = {name: file_node(data) for name, data in files.items()}
        expected = block_digest(folder_block(nodes))
        with tempfile.TemporaryDirectory(prefix="assay-") as temporary:
            # The library guesses types and names from real files only.
            folder = Path(temporary) / "package"
            folder.mkdir()
            for name, data in files.items():
                (folder / name).write_bytes(data)
            with self._translated("a folder"):
                added = self._client.add(
                    str(folder), recursive=True, opts=dict(_ADD_OPTIONS)
                )
        return self._require_stored(str(added[-1]["Hash"]), expected)

    def get_directory(
        self, digest: Digest, *, limits: DirectoryLimits = PACKAGE_LIMITS
    ) -> dict[str, bytes]:
        """See `ContentStore.get_directory`."""
        return read_files(self, digest, self._entries(digest), limits)

    def get_file(self, directory: Digest, name: str, *, max_bytes: int) -> bytes:
        """See `ContentStore.get_file`."""
        entry = entry_of(self._entries(directory), name, directory)
        return self.get(entry.digest, max_bytes=max_bytes)

    def pin(self, digest: Digest) -> None:
        """See `ContentStore.pin`."""
        cid = digest_to_cid(digest)
        with self._translated(cid, refused=ContentNotFound):
            self._client.pin.add(cid, opts=dict(self._fetch_options))

    def unpin(self, digest: Digest) -> None:
        """See `ContentStore.unpin`."""
        cid = digest_to_cid(digest)
        with self._translated(cid):
            try:
                self._client.pin.rm(cid)
            except rpc_errors.ErrorResponse as error:
                if "not pinned" not in str(error):
                    raise

    def _entries(self, digest: Digest) -> tuple[Link, ...]:
        cid = digest_to_cid(digest)
        with self._translated(cid, refused=ContentNotFound):
            block = self._client.block.get(cid, opts=dict(self._fetch_options))
        return verified_directory(bytes(block), digest)

    def _require_stored(self, cid: str, expected: Digest) -> Digest:
        try:
            stored = cid_to_digest(cid)
        except DigestError:
            stored = None
        if stored != expected:
            raise DigestMismatch(
                f"the IPFS node at {self.api} stored {cid}, expected was "
                f"{digest_to_cid(expected)}: see its Import settings, which must allow "
                f"CIDv0 with {CHUNK_BYTES} byte chunks and 174 links"
            )
        return expected

    @contextmanager
    def _translated(
        self, what: str, refused: Callable[[str], StoreError] = StoreError
    ) -> Iterator[None]:
        try:
            yield
        except rpc_errors.ErrorResponse as error:
            # The node understood and said why not.
            raise refused(f"{what}: the IPFS node says: {error}") from error
        except rpc_errors.StatusError as error:
            raise StoreUnavailable(
                f"{what}: {self.api} does not answer like an IPFS node's RPC: {error}"
            ) from error
        except (rpc_errors.Error, OSError) as error:
            raise StoreUnavailable(
                f"{what}: no answer from the IPFS node at {self.api} "
                f"({type(error).__name__}); is it running?"
            ) from error


def _parse_api(api: str) -> tuple[str, str, tuple[str, str] | None]:
    """Splits an RPC address into one to show, a multiaddress, and credentials."""
    try:
        parts = urlsplit(api)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"the IPFS address has no proper port: {error}") from error
    host = parts.hostname or ""
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/"):
        raise ConfigError(
            f"IPFS address {shown!r}: expected one such as http://127.0.0.1:5001"
        )
    port = port or (443 if parts.scheme == "https" else 80)
    address = f"/{_host_kind(host)}/{host}/tcp/{port}/{parts.scheme}"
    if parts.username is None:
        return shown, address, None
    return shown, address, (parts.username, parts.password or "")


def _host_kind(host: str) -> str:
    if ":" in host:
        return "ip6"
    return "ip4" if host.replace(".", "").isdigit() else "dns"


def _bypass_proxies(client: Any, api: str) -> None:
    # A proxy of the environment cannot reach this machine's loopback interface. The
    # library has this switch for Unix sockets only, in a private place.
    host = urlsplit(api).hostname
    if host in _LOOPBACK_HOSTS:
        client._client._request_proxies = {"no_proxy": host}
