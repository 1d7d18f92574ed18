"""A running worker as others see it: who works here, how it is, what it counts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from eth_typing import ChecksumAddress

from protocol.chain.reader import MarketReader
from worker.loop import LifeSigns
from worker.metrics import WorkerMetrics
from worker.monitoring.server import Health, serve_monitor, watch
from worker.monitoring.snapshot import CensusTaker
from worker.process.data_dir import RunRecord, hold_data_dir
from worker.settings import WorkerSettings

__all__ = ["present"]


@contextmanager
def present(
    settings: WorkerSettings,
    reader: MarketReader,
    worker: ChecksumAddress,
    ping_content: Callable[[], object],
    metrics: WorkerMetrics,
) -> Iterator[LifeSigns]:
    """Hold the data folder, and answer at the monitor's address, while inside.

    Args:
        settings: Where the folder is and where to answer.
        reader: Of the market.
        worker: The worker's address.
        ping_content: Raises StoreError if the IPFS node does not answer.
        metrics: What the worker counts.

    Raises:
        AlreadyRunning: Another worker uses the folder.
        ConfigError: The folder or the address cannot be used.
    """
    signs = LifeSigns(Health(), metrics)
    with ExitStack() as stack:
        url = ""
        if settings.monitor_address is not None:
            journal = settings.journal_path(reader.deployment.marketplace)
            census = CensusTaker(reader, worker, journal)
            url = stack.enter_context(
                serve_monitor(settings.monitor_address, signs.health, signs.metrics)
            )
            stack.enter_context(
                watch(
                    signs.health,
                    signs.metrics,
                    census.take,
                    ping_content,
                    settings.model_ids,
                )
            )
        record = RunRecord(os.getpid(), int(time.time()), worker, url)
        stack.enter_context(hold_data_dir(settings.data_dir, record))
        yield signs
