"""What can go wrong with a local network; a branch of the tree in `protocol.errors`.

```text
DevnetError
├── PortBusy            another process listens on a port that is needed
├── ProgramMissing      a program that set-up installs is not there
├── NotReady            a process did not become ready in time
├── ProcessDied         a process ended that should not have
├── NetworkRunning      the folder's network is running already
├── NetworkNotRunning   the folder's network is not running
└── DemoFailed          the demo's job or its books did not come out right
```
"""

from __future__ import annotations

from protocol.errors import MarketError

__all__ = [
    "DemoFailed",
    "DevnetError",
    "NetworkNotRunning",
    "NetworkRunning",
    "NotReady",
    "PortBusy",
    "ProcessDied",
    "ProgramMissing",
]


class DevnetError(MarketError):
    """Root of the errors of a local network."""

    exit_code = 10


class PortBusy(DevnetError):
    """Another process listens on a port that is needed."""


class ProgramMissing(DevnetError):
    """A program that set-up installs is not there."""


class NotReady(DevnetError):
    """A process did not become ready in time."""


class ProcessDied(DevnetError):
    """A process ended that should not have; names it, its exit and its last words."""


class NetworkRunning(DevnetError):
    """The folder's network is running already."""


class NetworkNotRunning(DevnetError):
    """The folder's network is not running."""


class DemoFailed(DevnetError):
    """The demo's job or its books did not come out right."""
