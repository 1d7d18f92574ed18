"""Prints a report as Markdown, for the results in README.md.

python -m benchmarks.engine.markdown FILE
"""

import json
from pathlib import Path
from typing import Final

import click
from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.engine.tables import headline, report_tables

_WIDTH: Final = 1000
"""No line of a Markdown table may be broken."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Prints FILE, which `benchmarks.engine --json` wrote."""
    report = json.loads(file.read_text("utf-8"))
    click.echo(headline(report))
    for table in report_tables(report, MARKDOWN):
        title, table.title = table.title, None
        click.echo(f"\n{title}:\n\n{markdown(table)}")


def markdown(table: Table) -> str:
    """Returns a table of the kind `MARKDOWN` as text, without padding around it."""
    console = Console(width=_WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().strip()


if __name__ == "__main__":
    main()
