"""Acting with a worker's key when the worker itself does not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from protocol.chain.client import MarketClient
from protocol.roles.session import open_session
from worker.process.data_dir import hold_key
from worker.settings import WorkerSettings

__all__ = ["acting_as_worker"]

_PATIENCE_SECONDS = 10.0


@contextmanager
def acting_as_worker(settings: WorkerSettings) -> Iterator[MarketClient]:
    """The market with the worker's key, which nobody else uses meanwhile.

    Raises:
        AlreadyRunning: The worker runs.
        ConfigError: The key cannot be used.
        ChainError: The market cannot be read.
    """
    # Before the password is asked for. A worker that was just drained takes a moment.
    with (
        hold_key(settings.require_key_file(), patience_seconds=_PATIENCE_SECONDS),
        open_session(settings) as session,
    ):
        yield session.market
