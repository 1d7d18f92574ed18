from __future__ import annotations

from collections.abc import Iterator

import pytest

from devnet.processes.ipfs import IpfsNode, local_ipfs


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IpfsNode]:
    """A node that all tests share; they add to it and leave it running."""
    folder = tmp_path_factory.mktemp("kubo")
    with local_ipfs(folder, "--max-bytes", "2000000", "--fetch-seconds", "3") as shared:
        yield shared


@pytest.fixture(scope="session")
def peer(
    tmp_path_factory: pytest.TempPathFactory, node: IpfsNode
) -> Iterator[IpfsNode]:
    """A second node, which the first one is connected to."""
    with local_ipfs(tmp_path_factory.mktemp("peer")) as other:
        node.call(f"swarm/connect?arg={other.swarm_address}")
        yield other
