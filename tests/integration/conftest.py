"""A chain and an IPFS node that the tests of a process share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devnet.processes.anvil import Anvil, local_chain
from devnet.processes.ipfs import IpfsNode, local_ipfs


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    """A chain for tests that put it back as it was or deploy a market of their own."""
    with local_chain() as node:
        yield node


@pytest.fixture
def own_anvil() -> Iterator[Anvil]:
    """A chain for tests that change what others rely on."""
    with local_chain() as node:
        yield node


@pytest.fixture(scope="session")
def ipfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpfsNode]:
    """A node without peers, which knows soon what it lacks; tests add to it."""
    folder = tmp_path_factory.mktemp("ipfs") / "repo"
    with local_ipfs(folder, "--fetch-seconds", 1) as node:
        yield node
