"""The engine benchmark: the integer profiles beside the baselines, as ratios.

python -m benchmarks.engine --json FILE
"""

import json
from pathlib import Path
from typing import Any, Final

import click
from rich import box
from rich.console import Console

from benchmarks.engine.cases import ALL_CASES
from benchmarks.engine.rows import BASELINES
from benchmarks.engine.run import Options, run_benchmark
from benchmarks.engine.tables import headline, report_tables
from benchmarks.engine.workspace import Workspace
from benchmarks.errors import BenchmarkError
from inference.profiles import PROFILES

TABLE_WIDTH: Final = 120


def say(line: str) -> None:
    """Reports progress."""
    click.echo(line, err=True)


@click.command()
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also write the report here.",
)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--new-tokens", type=click.IntRange(2, 512), default=128, show_default=True
)
@click.option("--threads", type=click.IntRange(1, 256), default=2, show_default=True)
@click.option(
    "--case", "cases", type=click.Choice(ALL_CASES), multiple=True, default=ALL_CASES
)
@click.option(
    "--profile",
    "profiles",
    type=click.Choice(list(PROFILES)),
    multiple=True,
    default=list(PROFILES),
)
@click.option(
    "--baseline",
    "baselines",
    type=click.Choice(BASELINES),
    multiple=True,
    default=BASELINES,
)
@click.option(
    "--bits/--no-bits",
    "compares_bits",
    default=True,
    show_default=True,
    help="Compare results of batches, prefill and decoding.",
)
@click.option(
    "--bare/--no-bare",
    "measures_bare",
    default=False,
    show_default=True,
    help="Also compare each profile with bare steps of its model.",
)
def main(json_file: Path | None, **options: Any) -> None:
    """Measures the integer engine beside the baselines, as ratios in one run.

    Makes .venv-bench and .bench in the clone on first use. Progress goes to standard
    error, tables to standard output. --case, --profile and --baseline may be repeated.
    """
    try:
        report = run_benchmark(Options(**options), Workspace(), say)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    # A file or a pipe has no width of its own.
    console = Console() if Console().is_terminal else Console(width=TABLE_WIDTH)
    console.print(headline(report), highlight=False)
    for table in report_tables(report, box.SIMPLE_HEAD):
        console.print(table)


if __name__ == "__main__":
    main()
