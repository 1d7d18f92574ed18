"""Command line of the load benchmark: parse and print, nothing else."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import busy_note, describe_machine
from benchmarks.market.resume import time_to_resume
from benchmarks.market.run import MarketPlan, run_market
from protocol.errors import MarketError

__all__ = ["main"]

_IN_FLIGHT = (1, 10, 100, 300)


@click.command()
@click.option("--json", "file", type=Path, help="Write the figures here.")
@click.option("--quick", is_flag=True, help="A small model, fewer jobs.")
@click.option("--in-flight", type=int, multiple=True, help="May be repeated.")
@click.option("--row-seconds", type=float, default=300.0, show_default=True)
@click.option("--soak-jobs", type=int, help="Watch memory over so many jobs.")
@click.option("--past-jobs", type=int, default=10_000, show_default=True)
@click.option("--folder", type=Path, help="Keep logs and files here.")
def main(
    file: Path | None,
    quick: bool,
    in_flight: tuple[int, ...],
    row_seconds: float,
    soak_jobs: int | None,
    past_jobs: int,
    folder: Path | None,
) -> None:
    """Measure a market of three workers: speed, blocks, overhead, memory, restart."""
    machine = describe_machine()
    note = busy_note(machine["load_before"], machine["cpus"])
    if note is not None:
        click.echo(note, err=True)
    plan = MarketPlan(
        in_flight=in_flight or _IN_FLIGHT,
        is_quick=quick,
        row_seconds=row_seconds,
        soak_jobs=soak_jobs if soak_jobs is not None else 0 if quick else 1_000,
    )
    try:
        figures = _run(plan, past_jobs, folder)
    except MarketError as error:
        click.echo(f"market: {error}", err=True)
        sys.exit(error.exit_code)
    report = {"machine": machine, "command": " ".join(sys.argv), **figures}
    text = json.dumps(report, indent=2) + "\n"
    if file is not None:
        file.write_text(text, encoding="utf-8")
    click.echo(text, nl=False)


def _run(plan: MarketPlan, past_jobs: int, folder: Path | None) -> dict[str, Any]:
    def report(sentence: str) -> None:
        click.echo(sentence, err=True)

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        figures = run_market(plan, folder.resolve(), report)
    else:
        with tempfile.TemporaryDirectory(prefix="assay-market-") as temporary:
            figures = run_market(plan, Path(temporary), report)
    with tempfile.TemporaryDirectory(prefix="assay-resume-") as temporary:
        return {**figures, "resume": time_to_resume(Path(temporary), past_jobs)}


if __name__ == "__main__":
    main()
