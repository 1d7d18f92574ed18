"""The report as tables, for a terminal or a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import Box
from rich.table import Table

from benchmarks.engine.cases import BANDWIDTH, MEMORY
from benchmarks.engine.rows import Row


def headline(report: Mapping[str, Any]) -> str:
    """Returns what was measured on what, in one line."""
    machine, settings = report["machine"], report["settings"]
    return (
        f"{machine['processor']}, {machine['cpus']} CPUs, "
        f"load {machine['load_before']:.1f} before, {machine['date']}; 124M shape, "
        f"{settings['threads']} threads, {settings['rounds']} rounds, "
        f"{settings['prompt_tokens']} + {settings['new_tokens']} tokens"
    )


def report_tables(report: Mapping[str, Any], box: Box) -> list[Table]:
    """Returns the tables that have something to show."""
    rows = report["rows"]
    tables = [
        speed_table(rows, box),
        limits_table(rows, box),
        bits_table(report["bits"], box),
    ]
    return [table for table in tables if table.row_count]


def speed_table(rows: Sequence[Row], box: Box) -> Table:
    """Returns the rows of the timed cases: both sides and their ratio."""
    table = _table(box, "tokens per second, median [lowest-highest]")
    for name in ("case", "profile", "baseline"):
        table.add_column(name)
    for name in ("ours", "theirs", "ratio", "wanted"):
        table.add_column(name, justify="right")
    for row in rows:
        if row["unit"] == "tokens/s":
            table.add_row(
                row["case"],
                row["profile"],
                row["baseline"],
                rate_text(row["ours"]),
                rate_text(row["theirs"]),
                ratio_text(row),
                target_text(row),
            )
    return table


def limits_table(rows: Sequence[Row], box: Box) -> Table:
    """Returns the rows that compare with the machine: bandwidth and memory."""
    table = _table(box, "against the machine")
    table.add_column("case")
    table.add_column("profile")
    for name in ("ours", "limit", "ratio", "wanted"):
        table.add_column(name, justify="right")
    for row in rows:
        if row["case"] == BANDWIDTH:
            sides = [gigabytes_text(row["ours"]), gigabytes_text(row["theirs"])]
        elif row["case"] == MEMORY:
            sides = [f"{row[key] / 1e6:.0f} MB" for key in ("peak", "bound")]
        else:
            continue
        table.add_row(
            row["case"], row["profile"], *sides, ratio_text(row), target_text(row)
        )
    return table


def bits_table(comparisons: Sequence[Mapping[str, Any]], box: Box) -> Table:
    """Returns whether the engines' results depend on the batch and on the cache."""
    table = _table(box, "do results change? (share of logits; tokens of a greedy text)")
    for name in (
        "engine",
        "logits, batch 1 or 8",
        "logits, prefill or decode",
        "tokens, batch 1 or 8",
        "tokens, cache or none",
    ):
        table.add_column(name)
    for comparison in comparisons:
        logits, tokens = comparison["logits"], comparison["tokens"]
        table.add_row(
            comparison["engine"],
            difference_text(logits["batch"]),
            difference_text(logits["cache"]),
            *(
                count_text(tokens[key], tokens["compared"])
                for key in ("batch", "cache")
            ),
        )
    return table


def rate_text(summary: Mapping[str, float]) -> str:
    """Formats tokens per second."""
    return f"{summary['median']:.0f} [{summary['lowest']:.0f}-{summary['highest']:.0f}]"


def gigabytes_text(summary: Mapping[str, float]) -> str:
    """Formats bytes per second."""
    median, lowest, highest = (
        summary[key] / 1e9 for key in ("median", "lowest", "highest")
    )
    return f"{median:.1f} [{lowest:.1f}-{highest:.1f}] GB/s"


def ratio_text(row: Row) -> str:
    """Formats a ratio, with the extremes of single rounds if there are any."""
    text = f"{row['ratio']:.2f}"
    if "ratio_lowest" in row:
        text += f" [{row['ratio_lowest']:.2f}-{row['ratio_highest']:.2f}]"
    return text


def target_text(row: Row) -> str:
    """Formats the least ratio wanted and whether it was reached."""
    if row["target"] is None:
        return ""
    return f"{row['target']:g} {'reached' if row['met'] else 'MISSED'}"


def difference_text(difference: Mapping[str, float]) -> str:
    """Formats how many logits differ and by how much."""
    if not difference["share"]:
        return "same bits"
    return f"{difference['share']:.1%} differ, by up to {difference['largest']:.2g}"


def count_text(count: int, compared: int) -> str:
    """Formats how many tokens differ."""
    return f"{count} of {compared} differ" if count else f"same {compared}"


def _table(box: Box, title: str) -> Table:
    return Table(title=title, title_justify="left", box=box)
