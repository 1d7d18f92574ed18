"""What a running worker shows to others: its run record, health and metrics."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from protocol.chain.reader import MarketReader
from protocol.errors import MarketError
from protocol.host.terminal import one_line
from protocol.market.types import ModelId
from worker.metrics import WorkerMetrics
from worker.monitoring.health import Health
from worker.monitoring.server import serve_monitor
from worker.monitoring.snapshot import Snapshot, SnapshotReader
from worker.process.data_dir import RunRecord, hold_data_dir
from worker.seats.holdings import Holdings
from worker.settings import WorkerSettings

__all__ = ["Monitor", "present", "watch"]

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Monitor:
    """What is told how the worker does. May be used from any thread.

    Attributes:
        health: For supervisors.
        metrics: For Prometheus.
    """

    health: Health = field(default_factory=Health)
    metrics: WorkerMetrics = field(default_factory=WorkerMetrics)

    def show(self, snapshot: Snapshot, models: tuple[ModelId, ...]) -> None:
        """Take over what the chain and the journal say.

        Args:
            snapshot: That.
            models: Models served, whose seats are shown even when there are none.
        """
        metrics = self.metrics
        metrics.set_head(snapshot.block_number)
        metrics.set_account(
            snapshot.account, gas_wei=snapshot.gas_wei, tokens=snapshot.tokens
        )
        metrics.set_jobs(snapshot.stages())
        for model_id in models:
            states = snapshot.seat_states(model_id)
            metrics.set_seats(model_id, states, snapshot.seat_bond)
        usable = sum(
            not seat.is_closing and seat.model_id in models for seat in snapshot.seats
        )
        self.health.saw_chain(usable)


@contextmanager
def watch(
    monitor: Monitor,
    read_snapshot: Callable[[], Snapshot],
    ping_content: Callable[[], object],
    models: tuple[ModelId, ...],
    *,
    pause_seconds: float = _PAUSE_SECONDS,
) -> Iterator[None]:
    """Keep health and metrics up to date while inside, on a thread.

    So watching costs the worker's loop nothing, and an endpoint always answers.

    Args:
        monitor: What is kept up to date.
        read_snapshot: Reads the chain and the journal; called from one thread only.
        ping_content: Raises StoreError if the IPFS node does not answer.
        models: Models served.
        pause_seconds: Between two readings.
    """
    over = threading.Event()
    health = monitor.health

    def observe() -> None:
        try:
            monitor.show(read_snapshot(), models)
        except MarketError as error:
            health.lost_chain(one_line(error))
        try:
            ping_content()
        except MarketError as error:
            health.lost_content(one_line(error))
        else:
            health.saw_content()

    def run() -> None:
        while not over.is_set():
            try:
                observe()
            except Exception:
                # A fault of ours must not leave the gauges standing still unseen.
                logger.exception("watch failed")
                health.lost_chain("the watch failed, see the log")
            over.wait(pause_seconds)

    threading.Thread(target=run, name="watch", daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def present(
    settings: WorkerSettings,
    reader: MarketReader,
    holdings: Holdings,
    ping_content: Callable[[], object],
    metrics: WorkerMetrics,
) -> Iterator[Monitor]:
    """Hold the data folder, and answer at the monitor's address, while inside.

    Args:
        settings: Where the folder is and where to answer.
        reader: Of the market.
        holdings: The worker's seats.
        ping_content: Raises StoreError if the IPFS node does not answer.
        metrics: What is shown to Prometheus.

    Raises:
        AlreadyRunning: Another worker uses the folder.
        ConfigError: The folder or the address cannot be used.
    """
    monitor = Monitor(metrics=metrics)
    address = settings.monitor_address
    with ExitStack() as stack:
        url = ""
        if address is not None:
            journal = settings.journal_path(reader.deployment.marketplace)
            snapshots = SnapshotReader(reader, holdings, journal)
            url = stack.enter_context(
                serve_monitor(address, monitor.health, monitor.metrics)
            )
            stack.enter_context(
                watch(monitor, snapshots.read, ping_content, settings.model_ids)
            )
        record = RunRecord(os.getpid(), int(time.time()), holdings.owner, url)
        stack.enter_context(hold_data_dir(settings.data_dir, record))
        yield monitor
