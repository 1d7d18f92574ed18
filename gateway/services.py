"""The parts of one gateway, joined; started and stopped with its HTTP server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.batches.feed import BatchFeed
from gateway.completions.admission import Admission
from gateway.completions.answers import Answers
from gateway.completions.catalogue import Catalogue
from gateway.completions.delivery import Calls, Waiters
from gateway.database.engine import Database
from gateway.database.schema import migrate
from gateway.indexer.head_watch import HeadWatch
from gateway.indexer.service import IndexService, market_of
from gateway.jobs.loop import JobEngine, LoopOptions, new_replica_name
from gateway.jobs.market_access import MarketAccess
from gateway.jobs.runner import JobRunner
from gateway.metrics import Metrics
from gateway.readiness import Readiness
from gateway.receipts import ReceiptShelf
from gateway.retention import Retention
from gateway.settings import GatewaySettings
from gateway.wallet import load_wallet
from protocol.amounts import Amounts
from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.store.failover import open_store
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
        calls: Takes calls and hands their answers out.
        engine: Makes jobs of calls.
        feed: Moves batches on.
        metrics: Counts.
        readiness: Whether all of it works.
        receipts: Makes receipts, and keeps some.
        watch: Says when the index has moved.
        amounts: How pages write amounts of the token.
        background: What is started and stopped with the server, in this order.
    """

    settings: GatewaySettings
    database: Database
    access: MarketAccess
    catalogue: Catalogue
    calls: Calls
    engine: JobEngine
    feed: BatchFeed
    metrics: Metrics
    readiness: Readiness
    receipts: ReceiptShelf
    watch: HeadWatch
    amounts: Amounts
    background: Sequence[Background]

    def start(self) -> None:
        """Starts what runs beside the server."""
        for one in self.background:
            one.start()

    def stop(self) -> None:
        """Stops it, the last first, and closes the database."""
        for one in reversed(self.background):
            one.stop()
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
    access = _connect_market(settings)
    catalogue = Catalogue(access, settings.models)
    metrics, waiters = Metrics(), Waiters()
    replica = new_replica_name()
    admission = Admission(database, access, catalogue, settings, replica=replica)
    answers = Answers(access, base_url=settings.base_url)
    feed = BatchFeed(
        database,
        admission,
        answers,
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
        calls=Calls(
            database,
            admission,
            answers,
            waiters,
            notice=engine.notice,
            timeout_seconds=settings.call_timeout_seconds,
        ),
        engine=engine,
        feed=feed,
        metrics=metrics,
        readiness=_readiness(settings, database, access, index, engine),
        receipts=ReceiptShelf(access),
        watch=HeadWatch(database),
        amounts=settings.amounts,
        background=(index, engine, retention),
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
    settings: GatewaySettings,
    database: Database,
    access: MarketAccess,
    index: IndexService,
    engine: JobEngine,
) -> Readiness:
    return Readiness(
        {
            "chain": lambda: bool(access.market.block_number()),
            "content_store": open_store(settings.ipfs_api).ping,
            "database": database.check,
            "index": index.check,
            "jobs": engine.check,
        }
    )


def _connect_market(settings: GatewaySettings) -> MarketAccess:
    deployment = Deployment.load(settings.deployment)
    account = load_wallet(settings, chain_id=deployment.chain_id)
    market = MarketClient.connect(settings.rpc_url, deployment, account)
    store = open_store(settings.ipfs_api)
    connections = Connections(
        market=market,
        account=market.address,
        store=store,
        tokenizers=TokenizerCache(store, settings.data_dir / "tokenizers"),
        clock=SystemClock(),
        poll_seconds=settings.poll_seconds,
        results_timeout_seconds=settings.results_timeout_seconds,
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
        access,
        database,
        runner,
        options,
        replica=replica,
        wake=waiters.wake,
        feed=feed,
    )
