"""`assay worker`: parse and print, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["worker"]


@click.group()
def worker() -> None:
    """Sell inference: stake, get drawn, compute, commit, reveal, earn."""


@worker.command()
@click.option("--rpc-url", help="Ethereum JSON-RPC endpoint.")
@click.option("--deployment", type=Path, help="Deployment file of the market.")
@click.option("--ipfs-api", help="RPC address of an IPFS node.")
@click.option("--key-file", type=Path, help="File with the private key, mode 600.")
@click.option("--data-dir", type=Path, help="Folder of journal and model cache.")
@click.option("--model", "models", multiple=True, help="Model id; may be repeated.")
@click.option("--tick", type=int, help="Price step of the seats, 0 to 7.")
@click.option("--max-seats", type=int, help="Most seats for each model.")
@click.option("--threads", type=int, help="Threads of the engine.")
@click.option("--engine", help="native, torch, or auto for what can be used.")
@click.option("--poll-seconds", type=float, help="Pause between looks at the chain.")
@click.option("--confirmations", type=int, help="Blocks before an event is acted on.")
@click.option("--keeper/--no-keeper", default=None, help="Earn bounties.")
@click.option("--withdraw-above", type=int, help="Pay out credit above these units.")
@click.option("--withdraw-to", help="Address that withdrawals go to.")
@click.option("--json-logs/--text-logs", default=False, help="Format of the logs.")
def run(json_logs: bool, models: tuple[str, ...], **flags: Any) -> None:
    """Run a worker until it is told to stop."""
    from protocol.logs import configure_logging
    from worker.runner import run_worker
    from worker.settings import WorkerSettings
    from worker.signals import stop_on_signals

    configure_logging(as_json=json_logs)
    settings = WorkerSettings.load(models=models or None, **flags)
    run_worker(settings, stop_on_signals())
