"""Ports: free ones, busy ones, and how a person reads about them."""

from __future__ import annotations

import socket

import pytest

from devnet.errors import PortBusy
from devnet.processes.ports import LOOPBACK, free_ports, require_free


def test_require_free_port_in_use_names_port_purpose_and_flag() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy) as failure:
            require_free(port, "the chain's RPC", "--rpc-port")
    message = str(failure.value)
    assert f"port {port} for the chain's RPC" in message
    assert "Address already in use" in message
    assert "--rpc-port" in message


def test_require_free_unused_port_returns() -> None:
    (port,) = free_ports(1)
    require_free(port, "IPFS", "--ipfs-port")


def test_free_ports_many_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20
