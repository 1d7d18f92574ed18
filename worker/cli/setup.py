"""`assay worker init`: parse and print."""

from __future__ import annotations

from typing import Any

import click

from protocol.roles.options import CONNECTION, options
from worker.cli.options import DATA_DIR, SERVING

__all__ = ["init"]

_NOT_READY = 11


@click.command()
@options(CONNECTION, DATA_DIR, SERVING)
def init(models: tuple[str, ...], **flags: Any) -> None:
    """Prepare a worker: key, settings, and a check of all that it needs.

    Makes an encrypted key unless one is named, adds a [worker] table to the settings
    file unless one is there, fetches, verifies and times the models, and says what
    stake and gas money are missing. Changes nothing that exists; may be repeated.
    Exits with 11 if something is missing.
    """
    from protocol.roles.settings import settings_file
    from worker.settings import WorkerSettings
    from worker.setup.prepare import examine, prepare

    settings = WorkerSettings.load(models=models or None, **flags)
    prepared = prepare(settings, settings_file())
    made = "made" if prepared.has_new_key else "kept"
    click.echo(f"key       {made}: {prepared.settings.key_file}")
    click.echo(f"address   {prepared.address}")
    written = "written" if prepared.has_new_table else "kept"
    click.echo(f"settings  {written}: [worker] in {settings_file()}")
    is_ready = True
    for check in examine(prepared.settings, prepared.address):
        click.echo(f"{'ok' if check.is_met else 'BAD':<4} {check.name}: {check.fact}")
        if check.advice:
            click.echo(f"     → {check.advice}")
        is_ready = is_ready and check.is_met
    click.echo("ready: run `assay worker run`" if is_ready else "not ready yet")
    click.get_current_context().exit(0 if is_ready else _NOT_READY)
