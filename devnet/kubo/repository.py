"""The folder of the embedded node: Kubo's own repository, a lock, room for uploads."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devnet.kubo.errors import RepositoryError
from protocol.digests import Digest
from protocol.host.file_lock import FileHeld, FileLock

__all__ = ["Repository", "private_config"]

_MULTIHASH_PREFIX = b"\x12\x20"
_FLATFS_SHARDING = "/repo/flatfs/shard/v1/next-to-last/2"


@dataclass(frozen=True, slots=True)
class Repository:
    """Paths inside one node's folder.

    Attributes:
        folder: The folder; nothing outside of it is written.
    """

    folder: Path

    @property
    def kubo(self) -> Path:
        """The repository that Kubo manages."""
        return self.folder / "ipfs"

    @property
    def scratch(self) -> Path:
        """Uploads and downloads on their way; emptied at every start."""
        return self.folder / "tmp"

    @property
    def log(self) -> Path:
        """What the server and the library's process have to say."""
        return self.folder / "node.log"

    def read_block(self, digest: Digest) -> bytes | None:
        """Reads a block from the local block store, without asking Kubo.

        Args:
            digest: SHA-256 of the block.

        Returns:
            The block's bytes as they lie on disk, unchecked, or None.
        """
        try:
            return self.block_path(digest).read_bytes()
        except FileNotFoundError:
            return None

    def block_path(self, digest: Digest) -> Path:
        """Where Kubo's flat file store keeps a block, if it has it.

        Args:
            digest: SHA-256 of the block.

        Returns:
            The path of its file.
        """
        name = base64.b32encode(_MULTIHASH_PREFIX + digest).decode().rstrip("=")
        return self.kubo / "blocks" / name[-3:-1] / f"{name}.data"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for this process and empties its scratch space.

        Yields:
            Nothing.

        Raises:
            RepositoryError: If another process holds the folder, or it cannot be
                written.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(self.folder / "lock", says=str(os.getpid()))
        except FileHeld as held:
            raise RepositoryError(
                f"repository {self.folder} is in use by process "
                f"{held.holder or 'unknown'}: stop it or choose another --repo"
            ) from held
        except OSError as error:
            raise RepositoryError(f"cannot use {self.folder}: {error}") from error
        with lock:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch.mkdir()
            yield


def private_config(config: Mapping[str, Any], swarm_port: int) -> dict[str, Any]:
    """Turns Kubo's default configuration into one that talks to this machine only.

    Args:
        config: Contents of the ``config`` file.
        swarm_port: TCP port for peers on the loopback interface; 0 lets the system
            choose.

    Returns:
        The configuration: no bootstrap peers, no routing, no discovery, no relays.

    Raises:
        RepositoryError: If blocks are not stored in the layout that
            `Repository.read_block` knows.
    """
    if _FLATFS_SHARDING not in str(config.get("Datastore", {}).get("Spec")):
        raise RepositoryError("the repository does not keep its blocks in flat files")
    changed = {key: _copy(value) for key, value in config.items()}
    changed["Bootstrap"] = []
    changed["Addresses"]["Swarm"] = [f"/ip4/127.0.0.1/tcp/{swarm_port}"]
    changed["Routing"] = {"Type": "none"}
    changed["Discovery"]["MDNS"]["Enabled"] = False
    changed["Swarm"]["DisableNatPortMap"] = True
    changed["Swarm"]["RelayClient"] = {"Enabled": False}
    changed["Swarm"]["RelayService"] = {"Enabled": False}
    changed["AutoNAT"] = {"ServiceMode": "disabled"}
    return changed


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value
