"""`assay job`: parse and print, nothing else.

Everything heavy is imported by the command that needs it, so that `assay --help` is
quick and an install without an extra still works.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protocol.errors import RequestError
from protocol.hexadecimal import to_hex
from protocol.host.terminal import printable
from protocol.roles.options import CONNECTION, JSON, options
from requester.cli.batches import batches, resume, submit_batch
from requester.cli.options import BATCH, DECODING, RECEIPT, TERMS, TIMEOUT, UNTIL
from requester.cli.session import (
    connect,
    connect_to_read,
    find_job,
    print_json,
    require_consent,
    settings_of,
)

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress

    from protocol.market.timeline import Timeline
    from requester.cli.requests import SubmitOptions
    from requester.jobs.job import Job, Milestone
    from requester.jobs.results import Results
    from requester.settings import RequesterSettings

__all__ = ["job"]

_FAILED, _CANCELLED = 7, 8
_EPILOG = (
    "Exit codes: 0 done; 2 a setting or request that cannot be met; 3 the chain; "
    "4 bytes that break the protocol; 5 the content store; 7 the job Failed; "
    "8 it was Cancelled; 9 it was not ready in time. Of a batch also: 5 results that "
    "cannot be had yet; 7 some prompts failed; 11 its journal; 12 its budget."
)


@click.group(epilog=_EPILOG)
def job() -> None:
    """Post jobs, follow them, read their verified results."""


job.add_command(resume)
job.add_command(batches)

# ---------------------------------------------------------------- commands


@job.command(epilog=_EPILOG)
@click.argument("prompt", required=False)
@click.option("--file", "file", type=Path, help="A prompt a line, or .jsonl or .csv.")
@click.option(
    "--task",
    type=click.Choice(["complete", "summarize", "translate", "answer"]),
    default="complete",
    help="How to frame the prompts. [default: complete]",
)
@options(DECODING, TERMS)
@click.option("--approve/--no-approve", default=True, help="Raise the allowance.")
@click.option("--yes", is_flag=True, help="Pay without asking.")
@click.option("--dry-run", is_flag=True, help="Show the estimate and stop.")
@click.option("--wait/--no-wait", default=True, help="Follow the job. [default: wait]")
@options(UNTIL, TIMEOUT, RECEIPT, BATCH, CONNECTION, JSON)
@click.pass_context
def submit(ctx: click.Context, /, **given: Any) -> None:
    """Post prompts as one job, and wait for its verified answer.

    With --out, a file of any length becomes a batch of many jobs, which survives this
    process: `assay job resume` goes on with it. Shows the price and asks before
    anything is paid.
    """
    from requester.cli.requests import SubmitOptions

    flags = SubmitOptions(**given)
    if flags.is_batch:
        submit_batch(ctx, flags)
    else:
        _submit_job(ctx, flags)


@job.command()
@click.argument("job_id")
@options(CONNECTION, JSON)
def show(job_id: str, *, as_json: bool, **given: Any) -> None:
    """Show a job's history: committee, commitments, reveals, money."""
    from requester.cli.display import timeline_lines
    from requester.jobs.views import timeline_view

    settings = settings_of(**given)
    found = find_job(settings, job_id, connect_to_read)
    timeline = found.timeline()
    view = {**timeline_view(timeline), "state": found.state().label}
    print_json(view, as_json)
    if not as_json:
        click.echo("\n".join(timeline_lines(timeline, settings.amounts)))


@job.command("list")
@click.option("--requester", help="Whose jobs; your key's by default.")
@options(CONNECTION, JSON)
def list_(requester: str | None, *, as_json: bool, **given: Any) -> None:
    """List the jobs of a requester, oldest first."""
    settings = settings_of(**given)
    owner = _whose_jobs(requester, settings)
    rows: list[dict[str, Any]] = [
        {
            "jobId": to_hex(found.job_id),
            "state": found.state().label,
            "postedBlock": found.posted_block,
            "promptCount": found.params.prompt_count,
            "redundancy": found.params.redundancy,
            "escrowed": found.escrowed,
        }
        for found in connect_to_read(settings).jobs(owner)
    ]
    print_json({"jobs": rows}, as_json)
    if as_json:
        return
    for row in rows:
        click.echo(
            f"{row['jobId']}  {row['state']:<10}  block {row['postedBlock']:<8} "
            f"{row['promptCount']} prompts  {settings.amounts.text(row['escrowed'])}"
        )
    if not rows:
        click.echo("no jobs yet: `assay job submit` posts one", err=True)


@job.command(epilog=_EPILOG)
@click.argument("job_id")
@options(UNTIL, TIMEOUT, CONNECTION, JSON)
@click.pass_context
def wait(
    ctx: click.Context,
    /,
    job_id: str,
    *,
    until: Milestone,
    timeout_seconds: float | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Follow a job until it is accepted or settled, and move it forward."""
    from requester.jobs.views import timeline_view

    settings = settings_of(**given)
    found = find_job(settings, job_id)
    timeline = _follow(found, until, timeout_seconds, settings, as_json)
    print_json(timeline_view(timeline), as_json)
    _exit_by_state(ctx, timeline)


@job.command(epilog=_EPILOG)
@click.argument("job_id")
@options(RECEIPT, CONNECTION, JSON)
def result(
    job_id: str, *, receipt_file: Path | None, as_json: bool, **given: Any
) -> None:
    """Fetch an accepted job's outputs and verify them."""
    from requester.jobs.views import results_view

    found = find_job(settings_of(**given), job_id, connect_to_read)
    results = found.results()
    if receipt_file is not None:
        _write_receipt(found, receipt_file)
    view = {"jobId": to_hex(found.job_id), "outputs": results_view(results)}
    print_json(view, as_json)
    if not as_json:
        _print_outputs(results)


@job.command()
@click.argument("job_id")
@options(CONNECTION, JSON)
def cancel(job_id: str, *, as_json: bool, **given: Any) -> None:
    """Withdraw a job before its seed block, or after its draw's deadline."""
    from requester.jobs.views import timeline_view

    settings = settings_of(**given)
    timeline = find_job(settings, job_id).cancel()
    view = timeline_view(timeline)
    print_json(view, as_json)
    if not as_json:
        refunded = settings.amounts.text(view["refunded"])
        click.echo(f"cancelled; {refunded} are back in your credit")


# ---------------------------------------------------------------- shared


def _submit_job(ctx: click.Context, flags: SubmitOptions) -> None:
    from requester.cli.display import estimate_lines
    from requester.jobs.views import estimate_view
    from requester.prompts.tasks import Task

    _refuse_flags_of_a_batch(flags)
    if flags.receipt_file is not None and not flags.wait:
        raise RequestError("--receipt needs a settled job: leave out --no-wait")
    require_consent(flags.yes or flags.dry_run, flags.as_json)
    settings = flags.settings()
    prompts, decoding = flags.prompts(), flags.decoding()
    terms, task = flags.terms(settings), Task(flags.task)
    client = connect(settings)
    draft = client.prepare(prompts, task=task, decoding=decoding, terms=terms)
    view = {"estimate": estimate_view(draft.estimate)}
    if not flags.as_json:
        for line in estimate_lines(draft.estimate, settings.amounts):
            click.echo(line, err=not flags.dry_run)
    if flags.dry_run:
        return print_json(view, flags.as_json)
    if not flags.yes:
        click.confirm("Post it?", abort=True, err=True)
    posted = client.post(draft, approve=flags.approve)
    if flags.wait:
        return _finish(ctx, posted, flags, settings, view)
    _say_posted(posted, view, flags.as_json)


def _refuse_flags_of_a_batch(flags: SubmitOptions) -> None:
    for is_given, flag in (
        (flags.job_size is not None, "--job-size"),
        (flags.in_flight is not None, "--in-flight"),
        (flags.budget is not None, "--budget"),
    ):
        if is_given:
            raise RequestError(f"{flag} is for a batch: give --out FILE as well")


def _whose_jobs(requester: str | None, settings: RequesterSettings) -> ChecksumAddress:
    from protocol.chain.keys.accounts import address_in
    from requester.cli.requests import parse_address

    if requester is not None:
        return parse_address(requester)
    address = None if settings.key_file is None else address_in(settings.key_file)
    if address is None:
        raise RequestError("whose jobs? give --requester ADDRESS, or --key-file")
    return address


def _say_posted(posted: Job, view: dict[str, Any], as_json: bool) -> None:
    job_id = to_hex(posted.job_id)
    print_json({**view, "jobId": job_id, "state": "Open"}, as_json)
    if not as_json:
        click.echo(job_id)


def _follow(
    found: Job,
    until: Milestone,
    timeout_seconds: float | None,
    settings: RequesterSettings,
    as_json: bool,
) -> Timeline:
    from rich.console import Console

    from requester.cli.display import progress

    console = Console(stderr=True, quiet=as_json)
    job_id = to_hex(found.job_id)
    try:
        with progress(console, settings.amounts) as follower:
            return found.wait(until, timeout_seconds, follower)
    except KeyboardInterrupt:
        click.echo(f"the job goes on: `assay job wait {job_id}`", err=True)
        raise


def _finish(
    ctx: click.Context,
    posted: Job,
    flags: SubmitOptions,
    settings: RequesterSettings,
    view: dict[str, Any],
) -> None:
    """What `submit` does once the job is posted."""
    from requester.jobs.views import results_view, timeline_view

    # Only a settled job has a receipt.
    until: Milestone = "settled" if flags.receipt_file is not None else flags.until
    timeline = _follow(posted, until, flags.timeout_seconds, settings, flags.as_json)
    view |= {**timeline_view(timeline), "outputs": []}
    if timeline.accepted is not None:
        results = posted.results()
        view["outputs"] = results_view(results)
        if flags.receipt_file is not None:
            _write_receipt(posted, flags.receipt_file)
        if not flags.as_json:
            _print_outputs(results)
    print_json(view, flags.as_json)
    _exit_by_state(ctx, timeline)


def _write_receipt(found: Job, path: Path) -> None:
    from requester.receipts.build import build

    text = json.dumps(build(found), indent=2, ensure_ascii=False) + "\n"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RequestError(
            f"receipt {path} cannot be written: {error.strerror}; choose another path, "
            f"`assay job result {to_hex(found.job_id)} --receipt FILE` makes it again"
        ) from error
    click.echo(f"receipt written to {path}", err=True)


def _exit_by_state(ctx: click.Context, timeline: Timeline) -> None:
    from protocol.market.types import JobState

    endings = {
        JobState.FAILED: (_FAILED, "Failed: no quorum; what was not spent is back"),
        JobState.CANCELLED: (_CANCELLED, "Cancelled: the escrow is back"),
    }
    if timeline.state in endings:
        code, text = endings[timeline.state]
        job_id = to_hex(timeline.job_id)
        click.echo(
            f"assay: job {job_id} {text} in your credit; post it again", err=True
        )
        ctx.exit(code)


def _print_outputs(results: Results) -> None:
    for number, (prompt, output) in enumerate(results, start=1):
        if len(results.outputs) > 1:
            click.echo(click.style(f"── {number} ──", dim=True))
        click.echo(printable(prompt.text + output.text))
