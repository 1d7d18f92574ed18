"""A worker: its parts joined, and what each tick does with them, in order."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack, closing

from inference.engine import Engine
from protocol.chain.keys.accounts import salt_secret
from protocol.chain.rpc.blocks import BlockHead
from protocol.errors import ConfigError
from protocol.market.types import ModelId
from protocol.roles.session import Session, open_session, unlock_account
from worker.drain import Drain
from worker.duties.prompts import PromptSource
from worker.duties.publishing import Publishing
from worker.duties.queue import ComputeQueue
from worker.duties.serving import Serving
from worker.duties.submission import Salts, Submission
from worker.gas_policy import GasGuard
from worker.journal.events import EventReader
from worker.journal.journal import Journal
from worker.journal.live import LiveJobs
from worker.journal.pruning import Pruning
from worker.loop import run_loop
from worker.metrics import WorkerMetrics
from worker.models.loading import ServedModel, WrapEngine, serve_model
from worker.money.payout import Payout
from worker.money.requests import RequestServer
from worker.monitoring.presence import Monitor, present
from worker.process.acting import until_answered
from worker.process.background import TaskPool
from worker.process.data_dir import hold_key
from worker.process.signals import Stop
from worker.rounds.following import Rounds
from worker.rounds.keeper import Keeper
from worker.seats.gas_gate import SeatGate
from worker.seats.holdings import Holdings
from worker.seats.upkeep import SeatUpkeep
from worker.settings import WorkerSettings

__all__ = ["Worker", "run_worker"]

logger = logging.getLogger(__name__)

# More jobs than this compute at a time only if there are more seats than this.
_MAX_THREADS = 256


def unwrapped(engine: Engine) -> Engine:
    """The engine as it is."""
    return engine


def run_worker(
    settings: WorkerSettings,
    stop: Stop,
    *,
    wrap_engine: WrapEngine = unwrapped,
) -> None:
    """Run a worker until it is told to stop.

    Args:
        settings: What to serve, with which key, where.
        stop: Set by the caller's signal handlers.
        wrap_engine: Applied to every engine loaded; for tests of dishonest workers.

    Raises:
        MarketError: It cannot start; the message says why and what to do.
    """
    if not settings.model_ids:
        raise ConfigError("no model to serve: give --model with a model id")
    account = unlock_account(settings)
    with ExitStack() as stack:
        enter = stack.enter_context
        enter(hold_key(settings.require_key_file()))
        metrics = WorkerMetrics()
        session = enter(
            until_answered(
                lambda: open_session(settings, account, observer=metrics),
                stop,
                seconds=settings.start_patience_seconds,
            )
        )
        market = session.market
        holdings = Holdings(market, market.address)
        monitor = enter(
            present(settings, market, holdings, session.store.ping, metrics)
        )
        session.introductions.announce()
        models = _load_models(session, settings, wrap_engine)
        salts = Salts(salt_secret(account))
        worker = Worker(session, settings, models, salts, holdings, monitor)
        enter(closing(worker)).run(stop)


def _load_models(
    session: Session, settings: WorkerSettings, wrap_engine: WrapEngine
) -> dict[ModelId, ServedModel]:
    cache = settings.data_dir / "models"
    models = {}
    for model_id in settings.model_ids:
        session.fetch_package(model_id, cache)
        models[model_id] = serve_model(
            session.market,
            session.store,
            model_id,
            cache=cache,
            options=settings.engine_options,
            wrap_engine=wrap_engine,
        )
    return models


class Worker:
    """One key's worker: holds the seats, serves the duties, keeps the jobs moving."""

    def __init__(
        self,
        session: Session,
        settings: WorkerSettings,
        models: Mapping[ModelId, ServedModel],
        salts: Salts,
        holdings: Holdings,
        monitor: Monitor,
    ) -> None:
        """Join the parts; `run` starts the work.

        Args:
            session: The worker's connections.
            settings: Its settings.
            models: The models it serves.
            salts: Of its key's commitments.
            holdings: Its seats.
            monitor: Told how it does.

        Raises:
            JournalError: Its journal cannot be used.
        """
        self._client, self._settings = session.market, settings
        self._models, self._holdings, self._monitor = models, holdings, monitor
        self._journal = _open_journal(session, settings)
        self._jobs = LiveJobs(self._journal)
        self._background = TaskPool()
        self._guard = GasGuard(self._client, token_wei=settings.token_wei)
        self._head: BlockHead | None = None
        self._add_chain()
        self._add_duties(session, salts)
        self._add_seats()
        self._add_money()
        self._pruning = Pruning(
            self._journal,
            session.store,
            self._background,
            keep_days=settings.keep_results_days,
        )

    def _add_chain(self) -> None:
        client, metrics = self._client, self._monitor.metrics
        window = client.config.reveal_window_seconds
        self._rounds = Rounds(client, reveal_window_seconds=window)
        self._event_reader = EventReader(
            client,
            self._jobs,
            self._rounds,
            metrics,
            confirmations=self._settings.confirmations,
        )
        self._keeper = Keeper(client, self._rounds, self._background, self._guard)

    def _add_duties(self, session: Session, salts: Salts) -> None:
        metrics, settings = self._monitor.metrics, self._settings
        prompts = PromptSource(
            session.store, session.introductions, fetch_share=settings.fetch_share
        )
        seats = settings.max_seats * len(self._models)
        self._queue = ComputeQueue(
            self._models,
            prompts,
            self._guard,
            metrics,
            threads=min(max(seats, 1), _MAX_THREADS),
        )
        self._serving = Serving(
            self._jobs,
            self._rounds,
            self._queue,
            Submission(self._client, salts, self._background, self._rounds, metrics),
            Publishing(session.store, self._background, metrics),
        )

    def _add_seats(self) -> None:
        self._seats = SeatUpkeep(
            self._client,
            self._holdings,
            [*self._models.values()],
            tick=self._settings.tick,
            max_seats=self._settings.max_seats,
        )
        self._gate = SeatGate(self._guard, self._background, self._seats)

    def _add_money(self) -> None:
        settings = self._settings
        self._payout = Payout(
            self._client,
            self._background,
            above=settings.withdraw_above,
            to=settings.payee,
        )
        self._requests = RequestServer(settings.data_dir, self._client)

    def run(self, stop: Stop) -> None:
        """Open seats and work until told to stop.

        Raises:
            WaitTimedOut: It was to finish first, and that took too long.
        """
        settings = self._settings
        for model in self._models.values():
            self._monitor.metrics.set_model(model.model_id, model.tokens_per_second)
        if not stop.is_draining:
            until_answered(
                self._seats.open, stop, seconds=settings.start_patience_seconds
            )
        run_loop(self, stop, self._monitor, poll_seconds=settings.poll_seconds)
        logger.info("stopped", extra={"worker": self._client.address})

    def close(self) -> None:
        """Let its threads end; what they do now ends with the process, or by itself."""
        self._background.close()
        self._queue.close()
        self._journal.close()

    def tick(self) -> None:
        """Keep what has ended, read the chain, and do what follows.

        Raises:
            RpcUnavailable: The node fails; what was computed is kept all the same.
            JournalError: The journal cannot be written.
        """
        self._collect()
        head = self._client.head()
        if head != self._head:
            read_to = self._event_reader.read()
            self._guard.update_price()
            # Not if the chain was reorganised while it was read: then again.
            self._head = head if read_to >= head.number else None
        self._serving.advance(head.time)
        if self._settings.keeper:
            jobs = self._jobs
            self._keeper.advance(jobs.open_jobs(), jobs.undelivered_jobs(), head.time)
        self._payout.pay_excess(head.number)
        self._pruning.prune()

    def take_news(self) -> None:
        """Go on with what has ended since the last tick, if anything has.

        Raises:
            RpcUnavailable: The node fails.
            JournalError: The journal cannot be written.
        """
        has_news = self._queue.has_finished or self._background.has_ended
        if has_news and self._head is not None:
            self._collect()
            self._serving.advance_changed(self._head.time)

    def tend(self) -> None:
        """Answer requests, and hold as many seats as there should be.

        Raises:
            MarketError: Seats could not be opened or left; the next call tries again.
        """
        self._requests.answer_all()
        self._gate.follow_price()
        self._seats.recover_bonds()

    def begin_drain(self) -> Drain:
        """Start the drain; its time limit counts from now."""
        return Drain(
            self._client,
            self._holdings,
            self._journal,
            self._models,
            confirmations=self._settings.confirmations,
            limit_seconds=self._settings.drain_seconds,
        )

    def _collect(self) -> None:
        self._background.collect()
        self._serving.keep_finished()


def _open_journal(session: Session, settings: WorkerSettings) -> Journal:
    deployment = session.market.deployment
    return Journal.open(
        settings.journal_path(deployment.marketplace),
        chain_id=deployment.chain_id,
        marketplace=deployment.marketplace,
        worker=session.market.address,
    )
