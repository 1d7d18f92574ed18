"""The supervisor's handle on the process that Kubo lives in."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devnet.kubo.errors import KuboError
from devnet.kubo.repository import Repository

__all__ = ["KuboNode"]

logger = logging.getLogger(__name__)

_START_SECONDS = 60.0
_STOP_SECONDS = 3.0
_WATCH_SECONDS = 0.05
_ATTEMPTS = 3
_CONCURRENT_FETCHES = 4
# What an empty file or folder costs, so that a million of them do not pass a size cap.
_ENTRY_BYTES = 512
_ANSWER_BYTES = 64 * 1024 * 1024


class _Ended(Exception):
    """The process ended before it answered."""


class _Child:
    """One run of `devnet.kubo.library`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, repository: Repository, swarm_port: int) -> _Child:
        with repository.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "devnet.kubo.library",
                str(repository.kubo),
                str(swarm_port),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_ANSWER_BYTES,
                env=_environment(),
            )
        return cls(process)

    @property
    def is_alive(self) -> bool:
        return not self._reader.done()

    async def ready(self) -> dict[str, Any]:
        """Waits for what the process says of itself once the node runs."""
        async with asyncio.timeout(_START_SECONDS):
            facts = await self._expect(0)
        return dict(facts)

    async def call(self, operation: str, *args: Any) -> Any:
        number = next(self._ids)
        line = json.dumps({"id": number, "op": operation, "args": args}) + "\n"
        answer = self._expect(number)
        if self._process.stdin is not None:
            with contextlib.suppress(ConnectionError):
                self._process.stdin.write(line.encode())
        return await answer

    def _expect(self, number: int) -> asyncio.Future[Any]:
        answer = self._waiting.setdefault(
            number, asyncio.get_running_loop().create_future()
        )
        if not self.is_alive and not answer.done():
            answer.set_exception(_Ended())
        return answer

    async def _read(self) -> None:
        stdout = self._process.stdout
        try:
            while stdout is not None and (line := await stdout.readline()):
                self._settle(json.loads(line))
        except ValueError:
            logger.exception("unreadable answer from Kubo's process")
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(_Ended())
            self._waiting.clear()

    def _settle(self, message: dict[str, Any]) -> None:
        answer = self._expect(message["id"])
        if message["id"] != 0:
            del self._waiting[message["id"]]
        if answer.done():
            return
        if "error" in message:
            answer.set_exception(KuboError(message["error"]))
        else:
            answer.set_result(message["result"])

    async def end(self) -> None:
        """Asks the process to end by closing its input, and insists after a while."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            pass
        await self.kill()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reader


class KuboNode:
    """A Kubo node that is started again whenever its process had to be ended.

    Attributes:
        peer_id: The node's identity on the IPFS network.
        addresses: Where its peers reach it, without the identity.
    """

    def __init__(self, repository: Repository, swarm_port: int = 0) -> None:
        """Describe the node; `start` runs it."""
        self.peer_id = ""
        self.addresses: tuple[str, ...] = ()
        self._repository = repository
        self._swarm_port = swarm_port
        self._child: _Child | None = None
        self._starting = asyncio.Lock()
        self._fetches = asyncio.Semaphore(_CONCURRENT_FETCHES)
        self._known_peers: dict[str, None] = {}
        self._is_stopped = False

    async def start(self) -> None:
        """Runs the node.

        Raises:
            KuboError: If it does not start.
        """
        await self._running()

    async def stop(self) -> None:
        """Ends the node's process."""
        self._is_stopped = True
        if self._child is not None:
            await self._child.end()

    async def add(self, path: Path, *, only_hash: bool = False) -> str:
        """Adds a file or a folder of files, and pins it.

        Args:
            path: What to add.
            only_hash: Whether to compute the address without storing anything.

        Returns:
            Its CIDv0.

        Raises:
            KuboError: If Kubo refuses.
        """
        return str(await self._call("add", str(path), only_hash))

    async def pin(self, cid: str) -> None:
        """Pins content that is there already.

        Raises:
            KuboError: If Kubo refuses.
        """
        await self._call("pin", cid)

    async def unpin(self, cid: str) -> None:
        """Unpins content.

        Raises:
            KuboError: If it was not pinned.
        """
        await self._call("unpin", cid)

    async def pins(self) -> list[str]:
        """Lists what is pinned, as CIDs."""
        return [str(cid) for cid in await self._call("pins")]

    async def connect(self, address: str) -> None:
        """Connects to a peer, now and after every restart.

        Args:
            address: Multiaddress with the peer's identity.

        Raises:
            KuboError: If the peer cannot be reached.
        """
        await self._call("connect", address)
        self._known_peers[address] = None

    async def peers(self) -> list[str]:
        """Lists the identities of connected peers."""
        return [str(identity) for identity in await self._call("peers")]

    async def fetch(self, cid: str, *, seconds: float, max_bytes: int) -> None:
        """Fetches content with everything below it from peers.

        Args:
            cid: Address of a file or folder.
            seconds: How long it may take.
            max_bytes: How large the content may be. Content past it is given up;
                blocks fetched until then stay.

        Raises:
            KuboError: If no peer is connected or time ran out.
        """
        # A restart that another fetch made necessary is not this one's time.
        await self._running()
        try:
            async with asyncio.timeout(seconds), self._fetches:
                await self._fetch(cid, max_bytes)
        except TimeoutError:
            raise KuboError(f"{cid} was not found within {seconds:g} s") from None

    async def _fetch(self, cid: str, max_bytes: int) -> None:
        target = self._repository.scratch / uuid.uuid4().hex
        try:
            # Ends by the caller's time-out, if the process is restarted under it.
            while True:
                child = await self._running()
                try:
                    if not await child.call("peers"):
                        raise KuboError(f"{cid} is not here, and no peer is connected")
                    return await _download(child, cid, target, max_bytes)
                except _Ended:
                    continue
        finally:
            await asyncio.to_thread(_remove, target)

    async def _call(self, operation: str, *args: Any) -> Any:
        # All operations may be repeated: adding or pinning twice changes nothing.
        for _ in range(_ATTEMPTS):
            child = await self._running()
            with contextlib.suppress(_Ended):
                return await child.call(operation, *args)
        raise KuboError(f"Kubo's process ended {_ATTEMPTS} times in a row")

    async def _running(self) -> _Child:
        async with self._starting:
            if self._is_stopped:
                raise KuboError("the node is stopping", status=503)
            if self._child is None or not self._child.is_alive:
                self._child = await self._start_child()
            return self._child

    async def _start_child(self) -> _Child:
        child = await _Child.start(self._repository, self._swarm_port)
        try:
            facts = await child.ready()
        except (_Ended, TimeoutError):
            await child.kill()
            raise KuboError(
                f"Kubo's process did not start, see {self._repository.log}"
            ) from None
        except BaseException:
            await child.kill()
            raise
        self.peer_id = str(facts["peer_id"])
        self.addresses = tuple(str(address) for address in facts["addresses"])
        # Keep a port that the system chose: peers know it.
        self._swarm_port = self._swarm_port or _port_of(self.addresses)
        for address in self._known_peers:
            with contextlib.suppress(KuboError, _Ended):
                await child.call("connect", address)
        return child


def _port_of(addresses: tuple[str, ...]) -> int:
    """The TCP port of ``/ip4/127.0.0.1/tcp/PORT``; 0 if there is none."""
    return int(addresses[0].split("/")[4]) if addresses else 0


async def _download(child: _Child, cid: str, target: Path, max_bytes: int) -> None:
    download = asyncio.ensure_future(child.call("download", cid, str(target)))
    finished = False
    try:
        while not finished:
            done, _ = await asyncio.wait({download}, timeout=_WATCH_SECONDS)
            finished = bool(done)
            if not done and await asyncio.to_thread(_exceeds, target, max_bytes):
                return
        download.result()
    finally:
        # The library cannot be told to give up, so its process has to go.
        if not finished:
            download.cancel()
            await child.kill()


def _exceeds(path: Path, max_bytes: int) -> bool:
    return sum(_sizes(path)) > max_bytes


def _sizes(path: Path) -> Iterator[int]:
    for entry in (path, *path.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            status = entry.lstat()
            yield _ENTRY_BYTES if entry.is_dir() else status.st_size + _ENTRY_BYTES


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    """The same import path as this process, whatever folder the child works in."""
    paths = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    return {**os.environ, "PYTHONPATH": paths}
