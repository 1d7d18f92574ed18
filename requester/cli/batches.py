"""`assay job submit --out`, `assay job resume`, `assay job batches`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protocol.errors import RequestError, StoreError
from protocol.roles.options import CONNECTION, JSON, options
from requester.cli.options import TIMEOUT
from requester.cli.session import connect, print_json, require_consent, settings_of

if TYPE_CHECKING:
    from requester.batches.batch import Batch
    from requester.batches.plan import BatchEstimate
    from requester.batches.records import BatchProgress
    from requester.cli.requests import SubmitOptions
    from requester.settings import RequesterSettings

__all__ = ["batches", "resume", "submit_batch"]

_FAILED = 7
_EPILOG = (
    "Exit codes: 0 every prompt has a result; 2 a setting or request that cannot be "
    "met; 3 the chain; 5 results that cannot be had yet; 7 some prompts failed; 9 the "
    "time was over; 11 the batch's journal; 12 its budget; 130 Ctrl-C. After all but "
    "0, `assay job resume` goes on."
)


def submit_batch(ctx: click.Context, flags: SubmitOptions) -> None:
    """Makes a batch of a file, asks, and runs it."""
    from requester.batches.batch import Batch, estimate_batch
    from requester.cli.batch_display import batch_estimate_lines

    if flags.file is None or flags.out is None or flags.prompt is not None:
        raise RequestError("--out is for a batch: give --file with its prompts")
    _refuse_flags_of_one_job(flags)
    require_consent(flags.yes or flags.dry_run, flags.as_json)
    settings = flags.settings()
    chosen = flags.batch_options(settings)
    client = connect(settings)
    if flags.dry_run:
        estimate = estimate_batch(client, flags.file, chosen)
        for line in batch_estimate_lines(estimate, chosen, settings.amounts):
            click.echo(line, err=flags.as_json)
        return print_json({"estimate": _plain(estimate)}, flags.as_json)
    with Batch.create(client, flags.file, out=flags.out, options=chosen) as batch:
        for line in batch_estimate_lines(batch.estimate, chosen, settings.amounts):
            click.echo(line, err=True)
        if not flags.yes and not click.confirm("Post it?", err=True):
            batch.discard()
            raise click.Abort
        _run(ctx, batch, settings, flags.timeout_seconds, flags.as_json)


@click.command(epilog=_EPILOG)
@click.argument("batch_id")
@click.option("--retry-failed", is_flag=True, help="Post failed jobs again.")
@click.option("--budget", help="Most that it may cost in all, in whole tokens.")
@click.option("--in-flight", type=int, help="Jobs at once from now on.")
@options(TIMEOUT, CONNECTION, JSON)
@click.pass_context
def resume(
    ctx: click.Context,
    /,
    batch_id: str,
    *,
    retry_failed: bool,
    budget: str | None,
    in_flight: int | None,
    timeout_seconds: float | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Go on with a batch where it stopped, however it stopped.

    Nothing is posted or paid twice: what was posted is followed, what was settled is
    kept, and the rest is posted.
    """
    from requester.batches.batch import Batch

    settings = settings_of(**given)
    units = None
    if budget is not None:
        units = settings.amounts.units(budget, "--budget")
    with Batch.open(connect(settings), batch_id) as batch:
        batch.change(budget=units, in_flight=in_flight)
        if retry_failed:
            count = batch.retry_failed()
            click.echo(f"{count} failed jobs will be posted again", err=True)
        _run(ctx, batch, settings, timeout_seconds, as_json)


@click.command()
@options(CONNECTION, JSON)
def batches(*, as_json: bool, **given: Any) -> None:
    """List the batches that this folder remembers, and how far they are."""
    from requester.batches.batch import saved_batches
    from requester.cli.batch_display import summary_line

    settings = settings_of(**given)
    saved = list(saved_batches(settings.data_dir))
    rows = [_view(batch_id, progress, out) for batch_id, progress, out in saved]
    print_json({"batches": rows}, as_json)
    if as_json:
        return
    for batch_id, progress, out in saved:
        click.echo(f"{batch_id}  {summary_line(progress, settings.amounts)}  {out}")
    if not saved:
        click.echo("no batches yet: `assay job submit --file … --out …`", err=True)


# ---------------------------------------------------------------- shared


def _run(
    ctx: click.Context,
    batch: Batch,
    settings: RequesterSettings,
    timeout_seconds: float | None,
    as_json: bool,
) -> None:
    from rich.console import Console

    from requester.cli.batch_display import batch_progress, summary_line

    console = Console(stderr=True, quiet=as_json)
    try:
        with batch_progress(console, batch.batch_id, settings.amounts) as watcher:
            progress = batch.run(timeout_seconds=timeout_seconds, on_progress=watcher)
    except KeyboardInterrupt:
        click.echo(f"stopped; go on with `assay job resume {batch.batch_id}`", err=True)
        raise
    finally:
        click.echo(summary_line(batch.progress, settings.amounts), err=True)
    print_json(_view(batch.batch_id, progress, batch.out), as_json)
    _exit_by_results(ctx, batch, progress)


def _exit_by_results(ctx: click.Context, batch: Batch, progress: BatchProgress) -> None:
    if progress.failed:
        click.echo(
            f"assay: {progress.failed} prompts failed, see {batch.out}; post them "
            f"again with `assay job resume {batch.batch_id} --retry-failed`",
            err=True,
        )
        ctx.exit(_FAILED)
    if progress.unfetched:
        raise StoreError(
            f"the results of {progress.unfetched} accepted prompts cannot be had, see "
            f"{batch.out}; try again with `assay job resume {batch.batch_id}`"
        )


def _refuse_flags_of_one_job(flags: SubmitOptions) -> None:
    for is_given, flag in (
        (flags.receipt_file is not None, "--receipt"),
        (not flags.wait, "--no-wait"),
        (not flags.approve, "--no-approve"),
        (flags.max_cost is not None, "--max-cost"),
    ):
        if is_given:
            raise RequestError(
                f"{flag} is for one job, not for a batch: leave it out"
                + ("; --budget bounds a batch" if flag == "--max-cost" else "")
            )


def _view(batch_id: str, progress: BatchProgress, out: Path) -> dict[str, Any]:
    return {
        "batchId": batch_id,
        "out": str(out),
        "prompts": {status.value: count for status, count in progress.prompts.items()},
        "jobs": progress.jobs,
        "jobsInFlight": progress.in_flight,
        "spent": progress.spent,
        "locked": progress.locked,
    }


def _plain(estimate: BatchEstimate) -> dict[str, Any]:
    from pydantic.alias_generators import to_camel

    return {to_camel(name): value for name, value in asdict(estimate).items()}
