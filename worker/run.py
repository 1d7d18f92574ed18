"""The worker's loop: look at the chain, decide, act, and do it again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack, closing

from inference.engine import Engine
from protocol.chain.client import MarketClient
from protocol.chain.keys.accounts import salt_secret
from protocol.chain.rpc.blocks import BlockHead
from protocol.errors import ConfigError
from protocol.market.types import ModelId
from protocol.roles.session import Session, open_session, unlock_account
from protocol.store.port import ContentStore
from worker.drain import Drain
from worker.duties.queue import ComputeQueue
from worker.duties.serving import Meet, Serving, Tools, meet_nobody
from worker.gas_policy import GasGuard
from worker.journal.events import Inbox
from worker.journal.journal import Journal
from worker.journal.live import Book
from worker.journal.pruning import Pruning
from worker.loop import LifeSigns, run_loop
from worker.metrics import WorkerMetrics
from worker.models.serve import ServedModel, WrapEngine, serve_model
from worker.money.payout import Payout
from worker.money.requests import Control
from worker.monitoring.presence import present
from worker.monitoring.server import Health
from worker.process.background import Errands
from worker.process.data_dir import hold_key
from worker.process.signals import Stop
from worker.process.starting import until_answered
from worker.rounds.following import Rounds
from worker.rounds.keeper import Keeper
from worker.seats.gate import SeatGate
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
        stop: What the caller's signal handlers wish.
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
        client, store = session.market, session.store
        signs = enter(present(settings, client, client.address, store.ping, metrics))
        session.introductions.announce()
        models = _load_models(session, settings, wrap_engine)
        journal = enter(closing(_open_journal(client, settings)))
        secret, meet = salt_secret(account), session.introductions.meet
        worker = Worker(
            client, store, journal, models, secret, settings, signs, meet=meet
        )
        enter(closing(worker)).run(stop)


def _open_journal(client: MarketClient, settings: WorkerSettings) -> Journal:
    marketplace = client.deployment.marketplace
    return Journal.open(
        settings.journal_path(marketplace),
        chain_id=client.deployment.chain_id,
        marketplace=marketplace,
        worker=client.address,
    )


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


def _upkeep(
    client: MarketClient,
    models: Mapping[ModelId, ServedModel],
    settings: WorkerSettings,
) -> SeatUpkeep:
    return SeatUpkeep(
        client, [*models.values()], tick=settings.tick, max_seats=settings.max_seats
    )


class Worker:
    """One key's worker: holds the seats, serves the duties, keeps the jobs moving."""

    def __init__(
        self,
        client: MarketClient,
        store: ContentStore,
        journal: Journal,
        models: Mapping[ModelId, ServedModel],
        secret: bytes,
        settings: WorkerSettings,
        signs: LifeSigns | None = None,
        *,
        meet: Meet | None = None,
    ) -> None:
        """Join the parts; `run` starts the work."""
        self._signs = signs or LifeSigns(Health(), WorkerMetrics())
        self._metrics = self._signs.metrics
        self._client = client
        self._journal = journal
        self._models = models
        self._settings = settings
        self._book = Book(journal)
        self._errands = Errands()
        seats = settings.max_seats * len(models)
        self._queue = ComputeQueue(threads=min(max(seats, 1), _MAX_THREADS))
        self._rounds = Rounds(
            client, reveal_window_seconds=client.config.reveal_window_seconds
        )
        self._guard = GasGuard(client, token_wei=settings.token_wei)
        self._inbox = Inbox(
            client,
            journal,
            self._book,
            self._metrics,
            confirmations=settings.confirmations,
        )
        self._serving = Serving(self._tools(store, secret, meet or meet_nobody))
        self._keeper = Keeper(client, self._rounds, self._errands, self._guard)
        self._payout = Payout(
            client, self._errands, above=settings.withdraw_above, to=settings.payee
        )
        self._pruning = Pruning(
            journal, store, self._errands, keep_days=settings.keep_results_days
        )
        self._upkeep = _upkeep(client, models, settings)
        self._head: BlockHead | None = None

    def _tools(self, store: ContentStore, secret: bytes, meet: Meet) -> Tools:
        return Tools(
            client=self._client,
            store=store,
            models=self._models,
            secret=secret,
            book=self._book,
            rounds=self._rounds,
            errands=self._errands,
            queue=self._queue,
            guard=self._guard,
            metrics=self._metrics,
            fetch_share=self._settings.fetch_share,
            meet=meet,
        )

    @property
    def is_busy(self) -> bool:
        """Whether a duty is live or anything is under way."""
        return self._serving.is_busy or bool(self._queue.count or self._errands.count)

    def run(self, stop: Stop) -> None:
        """Open seats and work until told to stop.

        Raises:
            WaitTimedOut: It was to finish first, and that took too long.
        """
        for model in self._models.values():
            self._metrics.set_model(model.model_id, model.tokens_per_second)
        control = Control(self._settings.data_dir, self._client)
        if not stop.is_draining:
            until_answered(
                self._upkeep.open, stop, seconds=self._settings.start_patience_seconds
            )

        gate = SeatGate(
            self._guard,
            self._errands,
            close_seats=self._upkeep.close,
            open_seats=self._upkeep.open,
        )

        def look_after() -> None:
            control.look()
            gate.look()
            self._upkeep.look()

        run_loop(
            self.tick,
            look_after,
            stop,
            self._begin_drain,
            self._signs,
            poll_seconds=self._settings.poll_seconds,
            take_news=self.take_news,
        )
        logger.info("stopped", extra={"worker": self._client.address})

    def _begin_drain(self) -> Drain:
        return Drain(
            self._client,
            self._journal,
            self._models,
            confirmations=self._settings.confirmations,
            limit_seconds=self._settings.drain_seconds,
        )

    def close(self) -> None:
        """Let its threads end; what they do now ends with the process, or by itself."""
        self._errands.close()
        self._queue.close()

    def tick(self) -> None:
        """Take up what has ended, look at the chain, and do what follows.

        Raises:
            RpcUnavailable: The node fails; what was computed is kept all the same.
            JournalError: The journal cannot be written.
        """
        self._take_up()
        head = self._client.head()
        if head != self._head:
            self._take_in(head)
        self._serving.look(head.time)
        if self._settings.keeper:
            self._keeper.look(self._book.open_jobs(), head.time)
            self._keeper.deliver(self._book.undelivered_jobs())
        self._payout.look(head.number)
        self._pruning.look()
        waiting, count = self._queue.waiting, self._queue.count
        self._metrics.set_queue(waiting, count - waiting)

    def take_news(self) -> None:
        """Take up what has ended since the last tick, if anything has.

        Raises:
            RpcUnavailable: The node fails.
            JournalError: The journal cannot be written.
        """
        has_news = self._queue.has_finished or self._errands.has_ended
        if not has_news or self._head is None:
            return
        self._take_up()
        self._serving.look_at_changed(self._head.time)

    def _take_up(self) -> None:
        self._errands.settle()
        self._serving.collect()

    def _take_in(self, head: BlockHead) -> None:
        """Read what is new on the chain."""
        batch = self._inbox.read()
        self._rounds.move(batch)
        self._guard.look()
        self._metrics.set_head(batch.head)
        # Not if the chain was reorganised while it was read: then again.
        is_whole = batch.head >= head.number
        self._head = head if is_whole else None
