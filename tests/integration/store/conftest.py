from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pytest

from devnet.kubo.repository import Repository
from devnet.processes.ipfs import IpfsNode
from protocol.digests import Digest
from protocol.store.ipfs import IpfsStore
from protocol.store.memory import MemoryStore
from protocol.store.port import ContentStore
from protocol.store.unixfs import file_blocks


class Backend(Protocol):
    """A store, and a way to make it serve other bytes than it was given."""

    @property
    def store(self) -> ContentStore: ...

    def corrupt_file(self, digest: Digest, data: bytes) -> None: ...

    def corrupt_folder(self, digest: Digest, block: bytes) -> None: ...


@dataclass
class MemoryBackend:
    store: MemoryStore

    def corrupt_file(self, digest: Digest, data: bytes) -> None:
        self.store.files[digest] = data

    def corrupt_folder(self, digest: Digest, block: bytes) -> None:
        self.store.folders[digest] = block


@dataclass
class IpfsBackend:
    store: IpfsStore
    node: IpfsNode

    def corrupt_file(self, digest: Digest, data: bytes) -> None:
        (leaf,) = file_blocks(data)
        self.corrupt_folder(digest, leaf.block)

    def corrupt_folder(self, digest: Digest, block: bytes) -> None:
        path = Repository(self.node.folder).block_path(digest)
        assert path.is_file()
        path.chmod(0o600)
        path.write_bytes(block)


@pytest.fixture(params=["memory", "ipfs"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "memory":
        return MemoryBackend(MemoryStore())
    node: IpfsNode = request.getfixturevalue("ipfs")
    return IpfsBackend(IpfsStore(node.api), node)


@pytest.fixture
def store(backend: Backend) -> ContentStore:
    return backend.store
