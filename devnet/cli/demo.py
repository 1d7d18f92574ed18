"""`assay demo`: parse and print."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protocol.host.terminal import printable

if TYPE_CHECKING:
    from devnet.demo.run import DemoReport, Follower
    from protocol.amounts import Amounts
    from requester.jobs.drafts import Draft

__all__ = ["demo"]

_FAILED = 1
_MODEL_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--liar", is_flag=True, help="One of the three workers lies.")
@click.option("--model", type=_MODEL_FOLDER, help="Package folder. [default: bundled]")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".assay"),
    show_default=True,
    help="Summary and receipt go to its folder `demo`.",
)
def demo(liar: bool, model: Path | None, folder: Path) -> int:
    """Pay for a batch of prompts, have it answered three times, and check it all.

    Runs on a chain, an IPFS node and three workers of its own, and stops them. The
    exit code is 0 only if the job was accepted and the money adds up to the unit.
    """
    started = time.monotonic()
    kind = "with a liar among three workers" if liar else "three honest workers"
    click.echo(f"assay demo: {kind}, a block a second")
    # Only now: these take a second.
    from devnet.demo.run import run_demo
    from inference import BUNDLED_MODEL

    report = run_demo(
        folder / "demo",
        _View(started),
        is_lying=liar,
        started=started,
        model=model or BUNDLED_MODEL,
    )
    _print_report(report)
    return 0 if report.is_success else _FAILED


class _View:
    """Prints steps with the time, and the job's progress."""

    def __init__(self, started: float) -> None:
        from rich.console import Console

        self._started = started
        self._console = Console(highlight=False)
        self._amounts = _amounts()

    def step(self, sentence: str) -> None:
        click.echo(f"{time.monotonic() - self._started:5.1f} s  {sentence}")

    def priced(self, draft: Draft) -> None:
        from requester.cli.display import estimate_lines

        for line in estimate_lines(draft.estimate, self._amounts)[1:3]:
            click.echo(f"         {line}")

    @contextmanager
    def following(self) -> Iterator[Follower]:
        from requester.cli.display import progress

        with progress(self._console, self._amounts) as follower:
            yield follower


def _amounts() -> Amounts:
    from devnet.network.settings_file import TOKEN_DECIMALS, TOKEN_SYMBOL
    from protocol.amounts import Amounts

    return Amounts(TOKEN_DECIMALS, TOKEN_SYMBOL)


# ---------------------------------------------------------------- the report


def _print_report(report: DemoReport) -> None:
    summary, amounts = report.summary, _amounts()
    _print_texts(summary["outputs"])
    _heading(f"Committee of job {summary['jobId']}")
    for member in summary["committee"]:
        _print_member(member, summary, amounts)
    _heading("Money")
    _print_money(summary, amounts)
    _heading("Gas")
    for phase, gas in summary["gasByPhase"].items():
        click.echo(f"  {phase:<8} {gas:>9,}")
    click.echo(f"  {'total':<8} {summary['gasTotal']:>9,}")
    _heading("Time")
    _print_times(summary)
    _heading(f"assay verify {report.folder / 'receipt.json'}")
    for line in report.verification.splitlines():
        click.echo(f"  {line}")
    _heading("The gateway, asked with OpenAI's client")
    asked = click.style(_line(report.call.prompt), underline=True)
    click.echo(f"  {asked}{_line(report.call.text)}")
    click.echo(f"  {report.call.receipt_url}")
    for line in report.call.lines:
        click.echo(f"  {line}")
    _heading("What had to hold")
    for check in report.checks:
        mark = click.style("ok  ", fg="green") if check.holds else "FAIL"
        click.echo(f"  {mark} {check.name}: {check.fact}")
    _print_end(report)


def _heading(text: str) -> None:
    click.echo()
    click.secho(text, bold=True)


def _print_texts(outputs: list[dict[str, Any]]) -> None:
    _heading("Texts (what was asked is underlined; what a quorum answered is not)")
    for output in outputs:
        asked = click.style(_line(output["prompt"]), underline=True)
        click.echo(f"  {asked}{_line(output['text'])}")


def _line(text: str) -> str:
    return printable(text.replace("\n", " "))


def _print_member(
    member: dict[str, Any], summary: dict[str, Any], amounts: Amounts
) -> None:
    worker = member["worker"]
    is_liar = worker == summary["liar"]
    name = f"{worker}  seat {member['seatId']}" + ("  (the liar)" if is_liar else "")
    click.echo(f"  {name}")
    for deed in ("committed", "revealed"):
        moment = member[deed]
        when = "never" if moment is None else _moment(moment)
        click.echo(f"    {deed:<10} {when}")
    for key, verb in (("workersPaid", "paid"), ("workersSlashed", "slashed")):
        for entry in summary[key]:
            if entry["address"] == worker:
                click.echo(f"    {verb:<10} {amounts.text(entry['amount'])}")


def _moment(moment: dict[str, Any]) -> str:
    return (
        f"block {moment['block']}, {moment['second']} s after posting, "
        f"in {moment['txHash']}"
    )


def _print_money(summary: dict[str, Any], amounts: Amounts) -> None:
    for name in ("escrowed", "paid", "refunded", "fees", "slashed"):
        click.echo(f"  {name:<9} {amounts.text(summary[name])}")
    for entry in summary["bountiesPaid"]:
        click.echo(f"  bounty    {amounts.text(entry['amount'])} to {entry['address']}")


def _print_times(summary: dict[str, Any]) -> None:
    phases = summary["secondsByPhase"].items()
    rows = {
        "network ready": summary["setupSeconds"],
        "inference": summary["inferenceSeconds"],
        "total": summary["totalSeconds"],
    }
    for name, seconds in rows.items():
        shown = "unknown" if seconds is None else f"{seconds:.1f} s"
        click.echo(f"  {name:<14} {shown}")
    steps = ", ".join(f"{name} {seconds} s" for name, seconds in phases)
    click.echo(f"  {'chain time':<14} {steps}")
    click.echo(f"  {'result after':<14} {summary['blocksToResult']} blocks")


def _print_end(report: DemoReport) -> None:
    click.echo()
    for name in ("summary.json", "receipt.json", "gateway-receipt.json"):
        path = report.folder / name
        if path.exists():
            click.echo(f"wrote {path}")
    if report.is_success:
        click.secho("The job was accepted and the money adds up.", fg="green")
    else:
        failed = [check.name for check in report.checks if not check.holds]
        click.echo(
            f"assay: the demo failed: {'; '.join(failed)}; see {report.logs}", err=True
        )
