"""Command line of the chaos run: parse and print, nothing else."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.chaos.run import ChaosPlan, ChaosResult, play
from protocol.errors import MarketError

__all__ = ["main"]

_UNCLEAN = 1


@click.command()
@click.option("--minutes", type=float, default=1.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--workers", type=click.IntRange(3), default=4, show_default=True)
@click.option("--in-flight", type=click.IntRange(1), default=6, show_default=True)
@click.option(
    "--pause",
    type=float,
    default=2.5,
    show_default=True,
    help="Mean seconds between two faults.",
)
@click.option("--folder", type=Path, help="Keep logs and files here.")
def main(
    minutes: float,
    seed: int,
    workers: int,
    in_flight: int,
    pause: float,
    folder: Path | None,
) -> None:
    """Kill, stall and reorganise while jobs flow; end with one line of JSON.

    Exit code 1 if a job stayed open, an honest worker was slashed, a unit is
    unaccounted for, or an accepted result was lost.
    """
    plan = ChaosPlan(
        seconds=minutes * 60,
        seed=seed,
        pause_seconds=pause,
        workers=workers,
        in_flight=in_flight,
    )
    try:
        result = _play(plan, folder)
    except MarketError as error:
        click.echo(f"chaos: {error}", err=True)
        sys.exit(error.exit_code)
    for sentence in (*result.exits, *result.counted.unaccounted):
        click.echo(sentence, err=True)
    click.echo(json.dumps(result.to_json()))
    sys.exit(0 if result.is_clean else _UNCLEAN)


def _play(plan: ChaosPlan, folder: Path | None) -> ChaosResult:
    def report(sentence: str) -> None:
        click.echo(sentence, err=True)

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return play(plan, folder.resolve(), report)
    with tempfile.TemporaryDirectory(prefix="assay-chaos-") as temporary:
        return play(plan, Path(temporary), report)


if __name__ == "__main__":
    main()
