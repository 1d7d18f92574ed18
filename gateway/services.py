"""The parts of one gateway, joined; started and stopped with its HTTP server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.batches.feed import BatchFeed
from gateway.completions.admission import Admission
from gateway.completions.catalogue import Catalogue
from gateway.completions.delivery import Delivery
from gateway.database.engine import Database
from gateway.database.schema import migrate
from gateway.indexer.head_watch import HeadWatch
from gateway.indexer.service import IndexService, market_of
from gateway.jobs.loop import JobEngine, LoopOptions, new_replica_name
from gateway.jobs.market_access import MarketAccess
from gateway.jobs.runner import JobRunner
from gateway.jobs.waiters import Waiters
from gateway.metrics import Metrics
from gateway.readiness import Readiness
from gateway.receipts import ReceiptShelf
from gateway.retention import Retention
from gateway.settings import GatewaySettings
from protocol.amounts import Amounts
from protocol.roles.session import Session, open_session
from requester.jobs.clock import SystemClock
from requester.jobs.connections import Connections
from requester.jobs.tokenizers import TokenizerCache

__all__ = ["Background", "Services", "connect_services"]


class Background(Protocol):
    """Something that runs beside the HTTP server."""

    def start(self) -> None:
        """Begin; returns at once."""
        ...

    def stop(self) -> None:
        """End, and return when it has."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What endpoints use.

    Attributes:
        settings: The gateway's settings.
        database: Accounts, calls, jobs, and the index.
        access: The market, and the wallet.
        catalogue: Models that can be called.
        admission: Lets calls in.
        delivery: Hands answers out.
        engine: Makes jobs of calls.
        feed: Moves batches on.
        metrics: Counts.
        readiness: Whether all of it works.
        receipts: Makes receipts, and keeps some.
        watch: Says when the index has moved.
        amounts: How pages write amounts of the token.
        session: Chain, content store and peers; closed in the end.
        background: What is started and stopped with the server, in this order.
    """

    settings: GatewaySettings
    database: Database
    access: MarketAccess
    catalogue: Catalogue
    admission: Admission
    delivery: Delivery
    engine: JobEngine
    feed: BatchFeed
    metrics: Metrics
    readiness: Readiness
    receipts: ReceiptShelf
    watch: HeadWatch
    amounts: Amounts
    session: Session
    background: Sequence[Background]

    def start(self) -> None:
        """Starts what runs beside the server."""
        for one in self.background:
            one.start()

    def stop(self) -> None:
        """Stops it, the last first, and closes the database."""
        for one in reversed(self.background):
            one.stop()
        self.session.close()
        self.database.close()


def connect_services(settings: GatewaySettings, database: Database) -> Services:
    """Connects to the chain and the content store, and joins the parts.

    Args:
        settings: The gateway's settings.
        database: Its database; brought to this version's form.

    Raises:
        ConfigError: Wallet, deployment file or a setting make no sense.
        ChainError: The chain does not answer, or is another.
        DatabaseError: The database does not answer, or is of a newer version.
    """
    migrate(database)
    session = open_session(settings)
    access = _market_access(settings, session)
    catalogue = Catalogue(access, settings.models)
    metrics, waiters = Metrics(), Waiters()
    replica = new_replica_name()
    admission = Admission(database, access, catalogue, settings, replica=replica)
    delivery = _delivery(settings, database, access, waiters)
    feed = BatchFeed(
        database,
        admission,
        delivery,
        replica=replica,
        lease_seconds=settings.lease_seconds,
        max_open=4 * settings.max_prompts_per_job,
    )
    engine = _engine(settings, database, access, waiters, metrics, replica, feed)
    metrics.watch("callers_waiting", "Calls that somebody waits for.", waiters.count)
    index = _index(settings, database, access)
    retention = Retention(database, hours=settings.retention_hours)
    return Services(
        settings=settings,
        database=database,
        access=access,
        catalogue=catalogue,
        admission=admission,
        delivery=delivery,
        engine=engine,
        feed=feed,
        metrics=metrics,
        readiness=_readiness(session, database, index, engine),
        receipts=ReceiptShelf(access),
        watch=HeadWatch(database),
        amounts=settings.amounts,
        session=session,
        background=(index, engine, retention),
    )


def _delivery(
    settings: GatewaySettings,
    database: Database,
    access: MarketAccess,
    waiters: Waiters,
) -> Delivery:
    return Delivery(
        database,
        access,
        waiters,
        base_url=settings.base_url,
        timeout_seconds=settings.call_timeout_seconds,
    )


def _index(
    settings: GatewaySettings, database: Database, access: MarketAccess
) -> IndexService:
    return IndexService(
        database,
        access.market,
        market_of(access.market),
        poll_seconds=settings.index_poll_seconds,
        confirmations=settings.index_confirmations,
    )


def _readiness(
    session: Session,
    database: Database,
    index: IndexService,
    engine: JobEngine,
) -> Readiness:
    return Readiness(
        {
            "chain": lambda: bool(session.market.block_number()),
            "content_store": session.store.ping,
            "database": database.check,
            "index": index.check,
            "jobs": engine.check,
        }
    )


def _market_access(settings: GatewaySettings, session: Session) -> MarketAccess:
    store, introductions = session.store, session.introductions
    connections = Connections(
        market=session.market,
        account=session.account,
        store=store,
        tokenizers=TokenizerCache(
            store,
            settings.data_dir / "tokenizers",
            find=introductions.meet_publisher,
        ),
        clock=SystemClock(),
        poll_seconds=settings.poll_seconds,
        results_timeout_seconds=settings.results_timeout_seconds,
        introductions=introductions,
    )
    return MarketAccess(connections, max_prompts=settings.max_prompts_per_job)


def _engine(
    settings: GatewaySettings,
    database: Database,
    access: MarketAccess,
    waiters: Waiters,
    metrics: Metrics,
    replica: str,
    feed: BatchFeed,
) -> JobEngine:
    runner = JobRunner(
        access,
        database,
        confirmations=settings.confirmations,
        patience_seconds=settings.posting_patience_seconds,
        results_patience_seconds=settings.results_patience_seconds,
        wake=waiters.wake,
        meter=metrics,
    )
    options = LoopOptions(
        window_seconds=settings.batch_window_ms / 1_000,
        poll_seconds=settings.poll_seconds,
        lease_seconds=settings.lease_seconds,
        max_live_jobs=settings.max_live_jobs,
    )
    return JobEngine(
        access, database, runner, waiters, options, replica=replica, feed=feed
    )
