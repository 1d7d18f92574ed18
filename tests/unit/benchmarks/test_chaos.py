from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.chaos.faults import FaultKind, draw_faults
from benchmarks.chaos.report import Count
from benchmarks.chaos.requester import read_verified
from benchmarks.chaos.run import ChaosResult
from protocol.market.types import JobId

SECONDS = 4_000.0
CLEAN = Count(
    posted=2,
    accepted=frozenset({JobId(b"1"), JobId(b"2")}),
    refunded=0,
    open=0,
    honest_slashed=0,
    seats_closed=1,
    unaccounted=(),
)


def test_draw_faults_of_a_seed_are_the_same_each_time() -> None:
    drawn = [
        draw_faults(seed, seconds=60, pause_seconds=1, workers=4) for seed in (3, 3, 4)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_draw_faults_of_a_long_run_have_every_kind_and_victim() -> None:
    faults = draw_faults(1, seconds=SECONDS, pause_seconds=2, workers=4)
    assert SECONDS / 2 * 0.9 < len(faults) < SECONDS / 2 * 1.1
    kinds = Counter(fault.kind for fault in faults)
    assert set(kinds) == set(FaultKind)
    assert kinds.most_common(1)[0][0] is FaultKind.KILL_WORKER
    assert {fault.victim for fault in faults} == {0, 1, 2, 3}
    assert {fault.depth for fault in faults} == {1, 2, 3, 4}
    times = [fault.at for fault in faults]
    assert times == sorted(times) and times[0] > 0 and times[-1] < SECONDS


@pytest.mark.parametrize(
    ("change", "is_clean"),
    [
        ({}, True),
        ({"open": 1}, False),
        ({"honest_slashed": 1}, False),
        ({"unaccounted": ("a unit is missing",)}, False),
        ({"refunded": 1, "seats_closed": 3}, True),
    ],
)
def test_result_of_a_run_is_clean_if_nobody_lost(
    change: dict[str, object], is_clean: bool
) -> None:
    counted = replace(CLEAN, **change)  # type: ignore[arg-type]
    result = ChaosResult(counted, kills=9, lost_results=0, faults={}, exits=())
    assert result.is_clean is is_clean
    assert not replace(result, lost_results=1).is_clean
    wanted = ["posted", "accepted", "refunded", "open", "kills"]
    wanted += ["honestSlashed", "unaccounted"]
    assert [*result.to_json()][: len(wanted)] == wanted


def test_read_verified_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    assert read_verified(tmp_path) == set()
    (tmp_path / "verified").write_text("ab" * 32 + "\n" + "cd" * 20)
    assert read_verified(tmp_path) == {bytes([0xAB]) * 32}
