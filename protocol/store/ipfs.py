"""The content store on any IPFS node that speaks Kubo's RPC, through ipfshttpclient."""

from __future__ import annotations

import io
import socket
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ipfshttpclient
from ipfshttpclient import exceptions as rpc_errors

from protocol.digests import Digest, DigestError, cid_to_digest, digest_to_cid
from protocol.errors import (
    ConfigError,
    ContentNotFound,
    ContentTooLarge,
    DigestMismatch,
    StoreError,
    StoreUnavailable,
)
from protocol.store.bounded_http import (
    PACE_BYTES_PER_SECOND,
    AnswerMalformed,
    AnswerTooLarge,
    BoundedAdapter,
    Bounds,
)
from protocol.store.dag_pb import Link
from protocol.store.port import PACKAGE_LIMITS, DirectoryLimits
from protocol.store.unixfs import CHUNK_BYTES, block_digest, file_digest, file_node
from protocol.store.verification import (
    entry_of,
    folder_block,
    read_files,
    verified_directory,
    verified_file,
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
# Answers that are not content: a folder of 1,000 files takes a third of it to add.
_ANSWER_BYTES = 1024 * 1024
# Peers do not pass on larger blocks; a folder of ours has a tenth of it.
_BLOCK_BYTES = 2 * 1024 * 1024
_CONNECT_PEER_SECONDS = 10.0
_QUOTED_CHARACTERS = 300
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
        self.api, self._address, self._credentials = _parse_api(api)
        self._seconds = timeout_seconds
        # The library passes urllib3 2 a parameter that only urllib3 3 will refuse. Said
        # here and not around each call, since filters belong to all threads.
        warnings.filterwarnings(
            "ignore",
            message="The 'strict' parameter is no longer needed",
            category=FutureWarning,
        )

    def put(self, data: bytes) -> Digest:
        """See `ContentStore.put`."""
        (digest,) = self.put_all([data])
        return digest

    def put_all(self, contents: Sequence[bytes]) -> tuple[Digest, ...]:
        """See `ContentStore.put_all`."""
        if not contents:
            return ()
        files = [_named(number, data) for number, data in enumerate(contents)]
        with self._translated("files"):
            rpc = self._rpc(sent_bytes=sum(map(len, contents)))
            answer = rpc.add(*files, opts=dict(_ADD_OPTIONS))
            # The library gives a single file's line without a list around it.
            added = answer if isinstance(answer, list) else [answer]
            cids = [str(line["Hash"]) for line in added]
            expected = [file_digest(data) for data in contents]
            pairs = list(zip(cids, expected, strict=True))
        return tuple(self._require_stored(*pair) for pair in pairs)

    def get(self, digest: Digest, *, max_bytes: int) -> bytes:
        """See `ContentStore.get`."""
        return self._get(digest, max_bytes, self._seconds)

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
            size = sum(map(len, files.values()))
            with self._translated("a folder"):
                added = self._rpc(sent_bytes=size).add(
                    str(folder), recursive=True, opts=dict(_ADD_OPTIONS)
                )
                cid = str(added[-1]["Hash"])
        return self._require_stored(cid, expected)

    def get_directory(
        self, digest: Digest, *, limits: DirectoryLimits = PACKAGE_LIMITS
    ) -> dict[str, bytes]:
        """See `ContentStore.get_directory`."""
        return read_files(self._get_part, digest, self._entries(digest), limits)

    def get_file(self, directory: Digest, name: str, *, max_bytes: int) -> bytes:
        """See `ContentStore.get_file`."""
        entry = entry_of(self._entries(directory), name, directory)
        return self._get_part(entry.digest, max_bytes)

    def pin(self, digest: Digest) -> None:
        """See `ContentStore.pin`."""
        cid = digest_to_cid(digest)
        with self._translated(cid, refused=ContentNotFound):
            self._rpc().pin.add(cid, opts=_node_limit(self._seconds))

    def unpin(self, digest: Digest) -> None:
        """See `ContentStore.unpin`."""
        cid = digest_to_cid(digest)
        with self._translated(cid):
            try:
                self._rpc().pin.rm(cid)
            except rpc_errors.ErrorResponse as error:
                if "not pinned" not in str(error):
                    raise

    def ping(self) -> str:
        """Version of the node. Raises StoreUnavailable if it does not answer."""
        with self._translated("its version"):
            rpc = self._rpc(seconds=_CONNECT_SECONDS)
            return str(rpc.version()["Version"])

    def addresses(self) -> tuple[str, ...]:
        """See `PeerNode.addresses`."""
        with self._translated("its addresses"):
            rpc = self._rpc(seconds=_CONNECT_SECONDS)
            return tuple(map(str, rpc.id()["Addresses"] or ()))

    def connect(self, address: str) -> None:
        """See `PeerNode.connect`."""
        with self._translated(address, refused=StoreUnavailable):
            rpc = self._rpc(seconds=_CONNECT_PEER_SECONDS)
            # The library's own call sends each character as an address of its own.
            rpc._client.request(
                "/swarm/connect",
                (address,),
                decoder="json",
                opts=_node_limit(_CONNECT_PEER_SECONDS),
            )

    def _get_part(self, digest: Digest, max_bytes: int) -> bytes:
        """A file whose size is known to be below `max_bytes` and may be near it."""
        return self._get(
            digest, max_bytes, self._seconds + max_bytes / PACE_BYTES_PER_SECOND
        )

    def _get(self, digest: Digest, max_bytes: int, seconds: float) -> bytes:
        cid = digest_to_cid(digest)
        # One byte more tells that there is more, without fetching the rest.
        options = {**_node_limit(seconds), "length": str(max_bytes + 1)}
        with self._translated(cid, refused=ContentNotFound):
            rpc = self._rpc(max_bytes + 1, seconds=seconds, is_json=False)
            data = rpc.cat(cid, opts=options)
        return verified_file(bytes(data), digest, max_bytes=max_bytes)

    def _entries(self, digest: Digest) -> tuple[Link, ...]:
        cid = digest_to_cid(digest)
        with self._translated(cid, refused=ContentNotFound):
            rpc = self._rpc(_BLOCK_BYTES, is_json=False)
            block = rpc.block.get(cid, opts=_node_limit(self._seconds))
        return verified_directory(bytes(block), digest)

    def _rpc(
        self,
        max_bytes: int = _ANSWER_BYTES,
        *,
        seconds: float | None = None,
        sent_bytes: int = 0,
        is_json: bool = True,
    ) -> Any:
        """The library's client for one request within bounds.

        The library has no place to say how; what it keeps for its sessions is private.
        """
        allowed = (
            self._seconds if seconds is None else seconds
        ) + _ANSWER_MARGIN_SECONDS
        # Not `connect()`: that refuses every node released since 2020.
        client = ipfshttpclient.Client(
            self._address,
            auth=self._credentials,
            timeout=(_CONNECT_SECONDS, allowed),
        )
        http = client._client
        bounds = Bounds(allowed, max_bytes, sent_bytes, is_json)
        http._session_props |= {
            "adapters": {"http": BoundedAdapter(bounds)},
            # Else the address family would become part of the URL's scheme.
            "family": socket.AF_UNSPEC,
            "max_redirects": 0,
        }
        host = urlsplit(self.api).hostname
        if host in _LOOPBACK_HOSTS:
            # A proxy of the environment cannot reach this machine's loopback interface.
            http._request_proxies = {"no_proxy": host}
        return client

    def _require_stored(self, cid: str, expected: Digest) -> Digest:
        try:
            stored = cid_to_digest(cid)
        except DigestError:
            stored = None
        if stored != expected:
            raise DigestMismatch(
                f"the IPFS node at {self.api} stored {cid[:80]}, expected was "
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
            reason = str(error)[:_QUOTED_CHARACTERS]
            raise refused(f"{what}: the IPFS node says: {reason}") from error
        except AnswerTooLarge as error:
            raise ContentTooLarge(f"{what}: {self.api} sent {error}") from error
        except (rpc_errors.StatusError, *_NOT_AN_ANSWER) as error:
            raise StoreUnavailable(
                f"{what}: {self.api} does not answer like an IPFS node's RPC: "
                f"{str(error)[:_QUOTED_CHARACTERS]}"
            ) from error
        except (rpc_errors.Error, OSError) as error:
            raise StoreUnavailable(
                f"{what}: no answer from the IPFS node at {self.api} "
                f"({type(error).__name__}); is it running?"
            ) from error


# What the library lets through when an answer is JSON of another shape.
_NOT_AN_ANSWER = (
    AnswerMalformed,
    rpc_errors.DecodingError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def _named(number: int, data: bytes) -> io.BytesIO:
    """A file as the library takes it; nodes want each to have a name of its own."""
    file = io.BytesIO(data)
    file.name = f"{number}"
    return file


def _node_limit(seconds: float) -> dict[str, str]:
    return {"timeout": f"{max(1, round(seconds * 1000))}ms"}


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
