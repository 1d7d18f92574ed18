"""The part of Kubo's HTTP RPC that ipfshttpclient and our store need.

Reference: the RPC API v0 of the Kubo documentation. All calls are POST; answers and
errors have Kubo's shapes. Calls from web pages are refused, as Kubo does, since this
API takes no credentials.
"""

from __future__ import annotations

import asyncio
import json
import platform
import re
import shutil
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse

from devnet.kubo.contents import BlockMissing, list_folder, measure_file, read_file
from devnet.kubo.errors import KuboError
from devnet.kubo.node import KuboNode
from devnet.kubo.repository import Repository
from devnet.kubo.uploads import arrange, receive
from protocol.digests import Digest, DigestError, cid_to_digest, digest_to_cid
from protocol.store.unixfs import CHUNK_BYTES, FileNode, directory_digest, file_node

__all__ = ["Limits", "create_app"]

# The release inside the library; its interface does not tell.
KUBO_VERSION = "0.22.0"

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LOOPBACK_PEER = re.compile(
    r"/ip4/127(\.\d{1,3}){3}/tcp/\d{1,5}/p2p/[1-9A-HJ-NP-Za-km-z]+"
)
_FILE_LINK = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for.

    Attributes:
        max_bytes: Size of an upload, and of content fetched from peers.
        fetch_seconds: How long peers are asked for content that is not here; a
            request's own ``timeout`` can only shorten it.
    """

    max_bytes: int = 2**30
    fetch_seconds: float = 30.0


def create_app(node: KuboNode, repository: Repository, limits: Limits) -> FastAPI:
    """Makes the RPC application of a node.

    Args:
        node: The node, started.
        repository: Its folder.
        limits: Bounds on every request.

    Returns:
        The application.
    """
    app = FastAPI(title="embedded IPFS node", docs_url=None, redoc_url=None)
    service = _Service(node, repository, limits)
    app.add_exception_handler(KuboError, _kubo_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.middleware("http")(_refuse_browsers)
    for path, endpoint in service.endpoints().items():
        app.add_api_route(
            f"/api/v0/{path}", endpoint, methods=["POST"], response_model=None
        )
    return app


class _Service:
    """The endpoints, sharing one node."""

    def __init__(self, node: KuboNode, repository: Repository, limits: Limits) -> None:
        self._node = node
        self._repository = repository
        self._limits = limits

    def endpoints(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        return {
            "version": self.version,
            "id": self.identity,
            "add": self.add,
            "cat": self.cat,
            "ls": self.links,
            "block/get": self.block,
            "pin/add": self.pin,
            "pin/rm": self.unpin,
            "pin/ls": self.pins,
            "swarm/connect": self.connect,
            "swarm/peers": self.peers,
        }

    async def version(self) -> dict[str, str]:
        system = f"{platform.machine()}/{platform.system().lower()}"
        return {"Version": KUBO_VERSION, "Commit": "", "Repo": "14", "System": system}

    async def identity(self) -> dict[str, Any]:
        identity = self._node.peer_id
        return {
            "ID": identity,
            "PublicKey": "",
            "Addresses": [f"{a}/p2p/{identity}" for a in self._node.addresses],
            "AgentVersion": f"kubo/{KUBO_VERSION}",
            "ProtocolVersion": "ipfs/0.1.0",
        }

    async def add(
        self,
        request: Request,
        only_hash: Annotated[bool, Query(alias="only-hash")] = False,
        wrap: Annotated[bool, Query(alias="wrap-with-directory")] = False,
        pin: bool = True,
        cid_version: Annotated[int, Query(alias="cid-version", ge=0, le=0)] = 0,
        raw_leaves: Annotated[bool, Query(alias="raw-leaves")] = False,
        trickle: bool = False,
        nocopy: bool = False,
        chunker: str = f"size-{CHUNK_BYTES}",
    ) -> Response:
        _require_defaults(chunker, raw_leaves or trickle or nocopy)
        with self._scratch() as folder:
            uploads = await receive(
                request.stream(),
                request.headers.get("content-type", ""),
                folder,
                max_bytes=self._limits.max_bytes,
            )
            tree = folder / "tree"
            name, files = await asyncio.to_thread(
                arrange, uploads, wrap=wrap, folder=tree
            )
            nodes = await asyncio.to_thread(_nodes, files)
            added = _lines(name, nodes)
            roots = files.values() if name is None else [tree]
            cids = [await self._node.add(p, only_hash=only_hash) for p in roots]
        if cids != [line["Hash"] for line in added[-len(cids) :]]:
            raise KuboError(f"Kubo stored {cids}, computed was {added}")
        if not pin and not only_hash:
            for cid in cids:
                await self._node.unpin(cid)
        body = "".join(json.dumps(line) + "\n" for line in added)
        return Response(body, media_type="application/json")

    async def cat(
        self,
        arg: str,
        offset: Annotated[int, Query(ge=0)] = 0,
        length: Annotated[int | None, Query(ge=0)] = None,
        timeout: str = "",
    ) -> Response:
        digest = _digest(arg)
        allowed = self._limits.max_bytes
        # One byte past the limit shows that there is more than the node may serve.
        wanted = allowed + 1 if length is None else min(length, allowed + 1)
        size = await self._measure(digest, offset, wanted)
        if size is None:
            await self._fetch(digest, timeout, min(offset, allowed) + wanted)
            size = await self._measure(digest, offset, wanted)
        if size is None:
            raise KuboError(f"{arg} was not found completely")
        if size > allowed:
            raise KuboError(f"{arg} has more than {allowed} bytes")
        return StreamingResponse(
            read_file(self._repository, digest, offset=offset, length=size),
            media_type="application/octet-stream",
            headers={"Content-Length": str(size)},
        )

    async def _measure(self, digest: Digest, offset: int, length: int) -> int | None:
        return await asyncio.to_thread(
            measure_file, self._repository, digest, offset=offset, length=length
        )

    async def block(self, arg: str, timeout: str = "") -> Response:
        digest = _digest(arg)
        await self._fetch_block(digest, timeout)
        block = self._repository.read_block(digest)
        return Response(block, media_type="application/octet-stream")

    async def links(self, arg: str, timeout: str = "") -> dict[str, Any]:
        digest = _digest(arg)
        await self._fetch_block(digest, timeout)
        links = [
            {
                "Name": entry.name,
                "Hash": digest_to_cid(entry.digest),
                "Size": entry.tree_bytes,
                "Type": _FILE_LINK,
                "Target": "",
            }
            for entry in list_folder(self._repository, digest) or ()
        ]
        return {"Objects": [{"Hash": digest_to_cid(digest), "Links": links}]}

    async def pin(self, arg: str, timeout: str = "") -> dict[str, list[str]]:
        digest = _digest(arg)
        # Pinning what is not all here would wait for peers without a limit.
        if not await asyncio.to_thread(self._is_tree_here, digest):
            await self._fetch(digest, timeout, self._limits.max_bytes)
            if not await asyncio.to_thread(self._is_tree_here, digest):
                raise KuboError(f"{arg} was not found completely, or is too large")
        cid = digest_to_cid(digest)
        await self._node.pin(cid)
        return {"Pins": [cid]}

    async def unpin(self, arg: str) -> dict[str, list[str]]:
        cid = digest_to_cid(_digest(arg))
        if cid not in await self._node.pins():
            raise KuboError(f"{cid} is not pinned or pinned indirectly")
        await self._node.unpin(cid)
        return {"Pins": [cid]}

    async def pins(self, arg: str | None = None) -> dict[str, Any]:
        pins = await self._node.pins()
        if arg is not None:
            cid = digest_to_cid(_digest(arg))
            if cid not in pins:
                raise KuboError(f"path {cid!r} is not pinned")
            pins = [cid]
        return {"Keys": {cid: {"Type": "recursive"} for cid in pins}}

    async def connect(self, arg: str, timeout: str = "") -> dict[str, list[str]]:
        if _LOOPBACK_PEER.fullmatch(arg) is None:
            raise KuboError(
                "this node connects to /ip4/127.0.0.1/tcp/PORT/p2p/ID only", status=400
            )
        try:
            async with asyncio.timeout(self._seconds(timeout)):
                await self._node.connect(arg)
        except TimeoutError:
            raise KuboError(f"{arg} does not answer") from None
        return {"Strings": [f"connect {arg.rpartition('/')[2]} success"]}

    async def peers(self) -> dict[str, list[dict[str, str]]]:
        found = await self._node.peers()
        return {"Peers": [{"Addr": "", "Peer": identity} for identity in found]}

    async def _fetch_block(self, digest: Digest, timeout: str) -> None:
        if self._repository.read_block(digest) is not None:
            return
        await self._fetch(digest, timeout, self._limits.max_bytes)
        if self._repository.read_block(digest) is None:
            raise KuboError(f"{digest_to_cid(digest)} was not found")

    async def _fetch(self, digest: Digest, timeout: str, max_bytes: int) -> None:
        await self._node.fetch(
            digest_to_cid(digest),
            seconds=self._seconds(timeout),
            max_bytes=max_bytes,
        )

    def _is_tree_here(self, digest: Digest) -> bool:
        try:
            entries = list_folder(self._repository, digest)
        except BlockMissing:
            return False
        files = [digest] if entries is None else [entry.digest for entry in entries]
        allowed = self._limits.max_bytes
        return all(
            measure_file(self._repository, file, length=allowed) is not None
            for file in files
        )

    def _seconds(self, timeout: str) -> float:
        if not timeout:
            return self._limits.fetch_seconds
        match = _DURATION.fullmatch(timeout)
        if match is None:
            raise KuboError(f"timeout {timeout!r} is not like 30s", status=400)
        seconds = float(match[1]) * _SECONDS[match[2]]
        return min(seconds, self._limits.fetch_seconds)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        folder = self._repository.scratch / uuid.uuid4().hex
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _digest(arg: str) -> Digest:
    try:
        return cid_to_digest(arg.removeprefix("/ipfs/"))
    except DigestError as error:
        raise KuboError(f"invalid path {arg[:80]!r}: {error}", status=400) from error


def _require_defaults(chunker: str, is_other_layout: bool) -> None:
    if chunker not in ("default", f"size-{CHUNK_BYTES}") or is_other_layout:
        raise KuboError(
            f"this node adds with chunker size-{CHUNK_BYTES}, balanced and without "
            "raw leaves only",
            status=400,
        )


def _nodes(files: dict[str, Path]) -> dict[str, FileNode]:
    nodes = {}
    for name, path in files.items():
        with path.open("rb") as stream:
            nodes[name] = file_node(stream)
    return nodes


def _lines(folder: str | None, nodes: dict[str, FileNode]) -> list[dict[str, str]]:
    """What Kubo reports of an upload: a line a file, the folder last."""
    prefix = f"{folder}/" if folder else ""
    lines = [
        _line(prefix + name or digest_to_cid(node.digest), node.digest, node.tree_bytes)
        for name, node in nodes.items()
    ]
    if folder is not None:
        size = sum(node.tree_bytes for node in nodes.values())
        lines.append(_line(folder, directory_digest(nodes), size))
    return lines


def _line(name: str, digest: Digest, size: int) -> dict[str, str]:
    cid = digest_to_cid(digest)
    return {"Name": name, "Hash": cid, "Size": str(size)}


async def _refuse_browsers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    # A page can post to any local port; its Origin header, or the name by which it
    # reached us, gives it away.
    host = request.url.hostname
    if "origin" in request.headers or host not in ("127.0.0.1", "localhost"):
        return _error("calls from web pages are refused", 403)
    return await call_next(request)


async def _kubo_error(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, KuboError) else 500
    return _error(str(error), status)


async def _invalid_request(request: Request, error: Exception) -> Response:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [f"{'.'.join(map(str, d['loc'][1:]))}: {d['msg']}" for d in details]
    return _error("; ".join(fields), 400)


def _error(message: str, status: int) -> JSONResponse:
    body = {"Message": message, "Code": 0, "Type": "error"}
    return JSONResponse(body, status_code=status)
