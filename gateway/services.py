"""The parts of one gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.batches.feed import BatchFeed
from gateway.completions.catalogue import Catalogue
from gateway.completions.delivery import Calls
from gateway.database.engine import Database
from gateway.indexer.head_watch import HeadWatch
from gateway.jobs.loop import JobLoop
from gateway.jobs.market_access import MarketAccess
from gateway.metrics import Metrics
from gateway.readiness import Readiness
from gateway.receipts import ReceiptCache
from gateway.settings import GatewaySettings
from protocol.roles.session import Session

__all__ = ["BackgroundPart", "Services"]


class BackgroundPart(Protocol):
    """Something that runs beside the HTTP server."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def stop(self) -> None:
        """End, and return when it has."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What endpoints use, each part of another type; see `gateway.api.access`.

    Attributes:
        settings: The gateway's settings.
        session: Chain, content store and peers.
        database: Accounts, calls, jobs, and the index.
        access: The market, and the wallet.
        catalogue: Models that can be called.
        calls: Takes calls and hands their answers out.
        job_loop: Makes jobs of calls.
        feed: Moves batches on.
        metrics: Counts.
        readiness: Whether all of it works.
        receipts: Makes receipts, and keeps some.
        watch: Says when the index has moved.
        background: What is started and stopped with the server, in this order.
    """

    settings: GatewaySettings
    session: Session
    database: Database
    access: MarketAccess
    catalogue: Catalogue
    calls: Calls
    job_loop: JobLoop
    feed: BatchFeed
    metrics: Metrics
    readiness: Readiness
    receipts: ReceiptCache
    watch: HeadWatch
    background: Sequence[BackgroundPart]

    def start(self) -> None:
        """Starts what runs beside the server."""
        for one in self.background:
            one.start()

    def stop(self) -> None:
        """Stops it, the last first, and closes session and database."""
        for one in reversed(self.background):
            one.stop()
        self.session.close()
        self.database.close()
