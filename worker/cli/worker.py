"""`assay worker`: parse and print, nothing else."""

from __future__ import annotations

import json
from typing import Any

import click

from protocol.roles.options import CHAIN, CONNECTION, JSON, JSON_LOGS, KEY, options
from worker.cli.keys import keys
from worker.cli.money import drain, withdraw
from worker.cli.options import DATA_DIR, SERVING
from worker.cli.setup import init

__all__ = ["worker"]


@click.group()
def worker() -> None:
    """Sell inference: stake, get drawn, compute, commit, reveal, earn."""


@worker.command()
@options(CONNECTION, DATA_DIR, SERVING)
@click.option(
    "--start-patience-seconds",
    type=float,
    help="How long to wait for a chain that does not answer at the start.",
)
@click.option("--poll-seconds", type=float, help="Pause between looks at the chain.")
@click.option("--confirmations", type=int, help="Blocks before an event is acted on.")
@click.option("--keeper/--no-keeper", default=None, help="Earn bounties.")
@click.option("--withdraw-above", type=int, help="Pay out credit above these units.")
@click.option("--withdraw-to", help="Address that withdrawals go to.")
@click.option(
    "--on-stop",
    type=click.Choice(["leave", "finish", "now"]),
    help="First signal: close the seats and finish, finish only, or stop at once.",
)
@click.option("--drain-seconds", type=float, help="How long finishing may take.")
@click.option(
    "--monitor-address", help="Host and port of /healthz, /readyz and /metrics."
)
@JSON_LOGS
def run(json_logs: bool, models: tuple[str, ...], **flags: Any) -> None:
    """Run a worker until it is told to stop.

    Ctrl-C or SIGTERM makes it take nothing new, finish what it owes, and end; a second
    one ends it at once. Exits with 9 if finishing took too long.
    """
    from protocol.host.log_format import configure_logging
    from worker.process.signals import stop_on_signals
    from worker.run import run_worker
    from worker.settings import WorkerSettings

    configure_logging(as_json=json_logs)
    settings = WorkerSettings.load(models=models or None, **flags)
    run_worker(settings, stop_on_signals(on_stop=settings.on_stop))


@worker.command()
@options(CHAIN, KEY[0], DATA_DIR)
@click.option("--once", is_flag=True, help="Print it once and end.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
@JSON
def status(once: bool, interval: float, as_json: bool, **flags: Any) -> None:
    """Show how the worker is; on a terminal, until Ctrl-C.

    Needs no password and no running worker: seats, money and jobs are read from the
    chain and the journal.
    """
    import time

    from rich.console import Console

    from worker.cli.status_view import follow_status, render_status
    from worker.monitoring.status import StatusReader, status_document
    from worker.settings import WorkerSettings

    settings = WorkerSettings.load(**flags)
    reader = StatusReader(settings)
    console = Console()
    if as_json:
        click.echo(json.dumps(status_document(reader.read()), indent=2))
    elif once or not console.is_terminal:
        console.print(render_status(reader.read(), settings.amounts, now=time.time()))
    else:
        follow_status(console, reader.read, settings.amounts, interval_seconds=interval)


for _command in (init, drain, withdraw, keys):
    worker.add_command(_command)
