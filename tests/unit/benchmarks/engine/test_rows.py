from __future__ import annotations

import json

import pytest

from benchmarks.engine.rows import (
    bandwidth_row,
    memory_row,
    speed_row,
    speed_rows,
    summarise,
)

SAMPLES = {
    ("decode_b1", "int-w8a16"): [200.0, 300.0, 310.0],
    ("decode_b1", "openvino-int8"): [100.0, 200.0, 150.0],
    ("decode_b1", "hf-fp32"): [20.0, 30.0, 60.0],
}


def test_summarise_of_an_even_number_takes_the_middle_of_two() -> None:
    summary = summarise([4.0, 1.0, 3.0, 2.0])
    assert (summary.median, summary.lowest, summary.highest) == (2.5, 1.0, 4.0)
    assert summary.samples == (4.0, 1.0, 3.0, 2.0)


def test_speed_row_of_rounds_divides_medians_and_pairs_rounds() -> None:
    row = speed_row("decode_b1", "int-w8a16", "openvino-int8", SAMPLES)
    assert row["ratio"] == 300 / 150
    assert row["ratio_lowest"] == 300 / 200
    assert row["ratio_highest"] == 310 / 150
    assert row["ours"]["median"] == 300
    assert row["theirs"]["lowest"] == 100
    assert (row["target"], row["met"]) == (1.2, True)


def test_speed_row_below_its_target_is_not_met() -> None:
    slow = {**SAMPLES, ("decode_b1", "int-w8a16"): [100.0, 170.0, 180.0]}
    row = speed_row("decode_b1", "int-w8a16", "openvino-int8", slow)
    assert (row["ratio"], row["met"]) == (170 / 150, False)


def test_speed_row_of_unequal_rounds_is_refused() -> None:
    uneven = {**SAMPLES, ("decode_b1", "hf-fp32"): [20.0]}
    with pytest.raises(ValueError, match="zip"):
        speed_row("decode_b1", "int-w8a16", "hf-fp32", uneven)


def test_speed_rows_of_a_selection_follow_it_and_survive_json() -> None:
    cases, baselines = ["decode_b1", "memory"], ["hf-fp32", "openvino-int8"]
    rows = speed_rows(cases, ["int-w8a16"], baselines, SAMPLES)
    assert [(row["case"], row["profile"], row["baseline"]) for row in rows] == [
        ("decode_b1", "int-w8a16", "hf-fp32"),
        ("decode_b1", "int-w8a16", "openvino-int8"),
    ]
    again = json.loads(json.dumps(rows))
    assert again[0]["ratio"] == 10
    assert again[0]["theirs"]["samples"] == [20, 30, 60]


def test_bandwidth_row_of_rates_is_the_share_of_what_was_read() -> None:
    row = bandwidth_row(
        "int-w8a16", [100.0, 200.0, 300.0], 10, [2000.0, 4000.0, 4000.0]
    )
    assert (row["case"], row["baseline"]) == ("bandwidth_b1", None)
    assert row["ratio"] == 0.5
    assert (row["ratio_lowest"], row["ratio_highest"]) == (0.5, 0.75)
    assert (row["target"], row["met"]) == (0.65, False)


def test_memory_row_at_its_bound_is_just_met() -> None:
    bound = 1.2 * 100e6 + 7e6 + 150e6
    at = memory_row("int-w8a16", int(bound), 100_000_000, 7_000_000)
    above = memory_row("int-w8a16", int(bound) + 1000, 100_000_000, 7_000_000)
    assert (at["ratio"], at["met"]) == (1.0, True)
    assert above["met"] is False
