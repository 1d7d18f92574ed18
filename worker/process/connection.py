"""Acting with a worker's key when the worker itself does not run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from protocol.chain.client import MarketClient
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import load_account
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
    key_file = settings.require_key_file()
    deployment = Deployment.load(settings.deployment)
    # Before the password is asked for. A worker that was just drained takes a moment.
    with hold_key(key_file, patience_seconds=_PATIENCE_SECONDS):
        account = load_account(
            key_file, chain_id=deployment.chain_id, password=settings.password
        )
        options = settings.sender_options(settings.data_dir)
        yield MarketClient.connect(
            settings.rpc_url, deployment, account, options=options
        )
