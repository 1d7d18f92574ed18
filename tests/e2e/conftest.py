"""One local network of three workers for all tests that do not need their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devnet.processes.ports import free_ports
from tests.e2e.assay_command import Assay


@pytest.fixture(scope="package")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Assay]:
    """`assay up --detach`, and `assay down` when the last test is done."""
    assay = Assay(tmp_path_factory.mktemp("network"))
    rpc_port, ipfs_port, gateway_port = map(str, free_ports(3))
    services = ("--rpc-port", rpc_port, "--ipfs-port", ipfs_port)
    ports = (*services, "--gateway-port", gateway_port)
    assay.ok("up", "--detach", "--workers", "3", "--seats", "2", *ports)
    try:
        yield assay
    finally:
        assay.ok("down")
        left = assay.processes()
        assert not left, left


@pytest.fixture
def assay(tmp_path: Path) -> Iterator[Assay]:
    """An empty folder; whatever the test started must be gone in the end."""
    command = Assay(tmp_path)
    yield command
    left = command.processes()
    assert not left, left
