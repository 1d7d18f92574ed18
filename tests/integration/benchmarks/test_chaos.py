"""Kills, stalls and reorganisations while jobs flow: nobody loses anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos.faults import FaultKind
from benchmarks.chaos.run import ChaosPlan, ChaosResult, play

# With every kind of fault: twelve kills of workers, three reorganisations, ….
SHORT = ChaosPlan(seconds=20, seed=154, pause_seconds=1.3)
LONG = ChaosPlan(seconds=660, seed=20, pause_seconds=2.0)
MIN_KILLS = 200


def expect_clean(result: ChaosResult) -> None:
    said = (result.to_json(), result.counted.unaccounted, result.exits)
    assert result.is_clean, said
    assert result.counted.accepted, said


def test_chaos_of_a_fixed_seed_loses_nothing(tmp_path: Path) -> None:
    result = play(SHORT, tmp_path, lambda _: None)
    expect_clean(result)
    assert set(result.faults) == {kind.value for kind in FaultKind}


@pytest.mark.deep
@pytest.mark.timeout(1800)
def test_chaos_of_hundreds_of_kills_loses_nothing(tmp_path: Path) -> None:
    result = play(LONG, tmp_path, lambda _: None)
    expect_clean(result)
    assert result.kills >= MIN_KILLS
