"""The gas benchmark's arithmetic; the measuring itself needs a node."""

from __future__ import annotations

from benchmarks.gas.__main__ import mean_steps, report
from benchmarks.gas.scene import Steps

STEPS = Steps(post=80_000, draw=90_000, commits=(30_000, 32_000), reveals=(40_001, 9))
DRAWS = {"0.90": {10: 90_000.4, 10_000: 85_500.0}, "0.25": {12: 140_000.0, 10_000: 1.0}}


def _job(size: int) -> Steps:
    return Steps(70_000, 80_000, (30_000,) * size, (40_000,) * size)


def test_steps_total_is_their_sum() -> None:
    assert STEPS.total == 80_000 + 90_000 + 62_000 + 40_010


def test_mean_steps_rounds_each_step_by_itself() -> None:
    other = Steps(80_003, 90_000, (30_000, 30_000), (40_000, 10))
    mean = mean_steps([STEPS, other])
    assert mean == Steps(80_002, 90_000, (30_000, 31_000), (40_000, 10))


def test_report_has_the_promised_shape() -> None:
    jobs = {size: _job(size) for size in (1, 3, 5, 7)}
    figures = report(jobs, thousand_prompts=480_001, batched_commit=20_000, draws=DRAWS)
    assert figures["job"] == {"1": 220_000, "3": 360_000, "5": 500_000, "7": 640_000}
    assert figures["perFurtherWorker"] == 70_000
    assert figures["perPrompt1000"] == 481
    assert figures["commitBatched10"] == 20_000
    assert figures["draw"] == {"10": 90_000, "10000": 85_500}
    assert figures["drawRatio"]["0.90"] == 0.95
    assert figures["phases"]["3"]["commits"] == 90_000
    assert (
        sum(figures["phases"]["3"][name] for name in ("commits", "reveals"))
        + (figures["phases"]["3"]["post"] + figures["phases"]["3"]["draw"])
        == figures["job"]["3"]
    )
