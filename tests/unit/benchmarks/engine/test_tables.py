from __future__ import annotations

import io

from rich.box import MARKDOWN, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.engine.rows import bandwidth_row, memory_row, speed_row
from benchmarks.engine.tables import (
    bits_table,
    headline,
    limits_table,
    report_tables,
    speed_table,
)

SAMPLES = {
    ("decode_b1", "int-w8b8"): [200.0, 300.0, 310.0],
    ("decode_b1", "hf-fp32"): [20.0, 30.0, 60.0],
}


def rendered(table: Table) -> str:
    stream = io.StringIO()
    Console(file=stream, width=160).print(table)
    return stream.getvalue()


def text_of(table: Table) -> list[list[str]]:
    """The cells of a table, row by row."""
    lines = [line.split("  ") for line in rendered(table).splitlines()]
    return [[cell.strip() for cell in line if cell.strip()] for line in lines]


def test_speed_table_of_a_row_shows_both_sides_and_the_target() -> None:
    row = speed_row("decode_b1", "int-w8b8", "hf-fp32", SAMPLES)
    assert [
        "decode_b1",
        "int-w8b8",
        "hf-fp32",
        "300 [200-310]",
        "30 [20-60]",
        "10.00 [5.17-10.00]",
        "8 reached",
    ] in text_of(speed_table([row], SIMPLE_HEAD))


def test_speed_table_of_other_rows_is_empty() -> None:
    assert speed_table([memory_row("int-w8a16", 1, 1, 1)], SIMPLE_HEAD).row_count == 0


def test_limits_table_of_bandwidth_and_memory_shows_units_and_misses() -> None:
    rows = [
        bandwidth_row("int-w8a16", [150.0], 100_000_000, [30e9]),
        memory_row("int-w8a16", 300_000_000, 100_000_000, 0),
    ]
    cells = text_of(limits_table(rows, SIMPLE_HEAD))
    assert [
        "bandwidth_b1",
        "int-w8a16",
        "15.0 [15.0-15.0] GB/s",
        "30.0 [30.0-30.0] GB/s",
        "0.50 [0.50-0.50]",
        "0.65 MISSED",
    ] in cells
    memory = ["memory", "int-w8a16", "300 MB", "270 MB", "0.90", "1 MISSED"]
    assert memory in cells


def test_bits_table_of_an_engine_says_same_or_how_much() -> None:
    comparison = {
        "engine": "openvino-int8",
        "logits": {
            "batch": {"share": 0.0, "largest": 0.0},
            "cache": {"share": 0.914, "largest": 0.0547},
        },
        "tokens": {"compared": 24, "batch": 0, "cache": 2},
    }
    assert [
        "openvino-int8",
        "same bits",
        "91.4% differ, by up to 0.055",
        "same 24",
        "2 of 24 differ",
    ] in text_of(bits_table([comparison], SIMPLE_HEAD))


REPORT = {
    "machine": {
        "processor": "Fast 3000",
        "cpus": 2,
        "load_before": 0.04,
        "date": "2026-11-24",
    },
    "settings": {"threads": 2, "rounds": 5, "prompt_tokens": 32, "new_tokens": 128},
    "rows": [memory_row("int-w8a16", 1, 1, 1)],
    "bits": [],
}


def test_headline_of_a_report_names_machine_load_and_date() -> None:
    assert headline(REPORT) == (
        "Fast 3000, 2 CPUs, load 0.0 before, 2026-11-24; "
        "124M shape, 2 threads, 5 rounds, 32 + 128 tokens"
    )


def test_report_tables_of_memory_alone_are_one() -> None:
    tables = report_tables(REPORT, MARKDOWN)
    assert [table.title for table in tables] == ["against the machine"]
    assert "| memory | int-w8a16 |" in rendered(tables[0])
