"""Makes a gateway's parts from its settings, and joins them."""

from __future__ import annotations

from gateway.batches.feed import BatchFeed
from gateway.completions.admission import Admission
from gateway.completions.answers import Answers
from gateway.completions.catalogue import Catalogue
from gateway.completions.delivery import Calls, Waiters
from gateway.database.engine import Database
from gateway.database.schema import migrate
from gateway.indexer.head_watch import HeadWatch
from gateway.indexer.service import IndexService, market_of
from gateway.jobs.loop import JobLoop, LoopOptions, new_replica_name
from gateway.jobs.market_access import MarketAccess
from gateway.jobs.runner import JobRunner
from gateway.metrics import Metrics
from gateway.readiness import Readiness
from gateway.receipts import ReceiptCache
from gateway.retention import Retention
from gateway.services import Services
from gateway.settings import GatewaySettings
from protocol.roles.session import Session, open_session
from requester.jobs.connections import Connections

__all__ = ["connect_services"]


def connect_services(settings: GatewaySettings, database: Database) -> Services:
    """Connects to the chain and the content store, and joins the parts.

    Args:
        settings: The gateway's settings.
        database: Its database; brought to this version's form.

    Raises:
        ConfigError: Wallet, deployment file or a setting make no sense.
        ChainError: The chain does not answer, or is another; or the outbox in the data
            folder cannot be used.
        DatabaseError: The database does not answer, or is of a newer version.
    """
    migrate(database)
    session = open_session(settings)
    access = _market_access(settings, session)
    catalogue = Catalogue(access, settings.models)
    metrics, waiters, replica = Metrics(), Waiters(), new_replica_name()
    metrics.watch("callers_waiting", "Calls that somebody waits for.", waiters.count)
    admission = Admission(database, access, catalogue, settings, replica=replica)
    answers = Answers(access, base_url=settings.base_url)
    feed = _feed(settings, database, admission, answers, replica)
    job_loop = _job_loop(settings, database, access, waiters, metrics, feed, replica)
    calls = Calls(
        database,
        admission,
        answers,
        waiters,
        notice=job_loop.notice,
        timeout_seconds=settings.call_timeout_seconds,
    )
    index = _index(settings, database, access)
    retention = Retention(database, hours=settings.retention_hours)
    return Services(
        settings=settings,
        session=session,
        database=database,
        access=access,
        catalogue=catalogue,
        calls=calls,
        job_loop=job_loop,
        feed=feed,
        metrics=metrics,
        readiness=_readiness(session, database, index, job_loop),
        receipts=ReceiptCache(access),
        watch=HeadWatch(database),
        background=(index, job_loop, retention),
    )


def _market_access(settings: GatewaySettings, session: Session) -> MarketAccess:
    connections = Connections.of(
        session,
        data_dir=settings.data_dir,
        poll_seconds=settings.poll_seconds,
        results_timeout_seconds=settings.results_timeout_seconds,
    )
    return MarketAccess(connections, max_prompts=settings.max_prompts_per_job)


def _feed(
    settings: GatewaySettings,
    database: Database,
    admission: Admission,
    answers: Answers,
    replica: str,
) -> BatchFeed:
    return BatchFeed(
        database,
        admission,
        answers,
        replica=replica,
        lease_seconds=settings.lease_seconds,
        max_open=4 * settings.max_prompts_per_job,
    )


def _job_loop(
    settings: GatewaySettings,
    database: Database,
    access: MarketAccess,
    waiters: Waiters,
    metrics: Metrics,
    feed: BatchFeed,
    replica: str,
) -> JobLoop:
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
    return JobLoop(
        access,
        database,
        runner,
        options,
        replica=replica,
        wake=waiters.wake,
        feed=feed,
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
    session: Session, database: Database, index: IndexService, job_loop: JobLoop
) -> Readiness:
    return Readiness(
        {
            "chain": lambda: bool(session.market.block_number()),
            "content_store": session.store.ping,
            "database": database.check,
            "index": index.check,
            "jobs": job_loop.check,
        }
    )
