"""TCP ports on the loopback interface."""

from __future__ import annotations

import socket

from devnet.errors import PortBusy

__all__ = ["LOOPBACK", "free_ports", "require_free"]

LOOPBACK = "127.0.0.1"


def require_free(port: int, purpose: str, flag: str) -> None:
    """Check that nothing listens on a port.

    Args:
        port: The TCP port, on 127.0.0.1.
        purpose: What it is for, such as `the chain's RPC`.
        flag: The command-line flag that chooses another one.

    Raises:
        PortBusy: It is taken, or may not be used; names port, purpose and flag.
    """
    with socket.socket() as probe:
        # As servers do, so that connections that just closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise PortBusy(
                f"port {port} for {purpose} cannot be used on {LOOPBACK} ({reason}); "
                f"stop what uses it or choose another port with {flag}"
            ) from error


def free_ports(count: int) -> list[int]:
    """Distinct ports that nothing listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
