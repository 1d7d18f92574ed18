from __future__ import annotations

import io

import pytest
from rich.console import Console

from protocol.amounts import Amounts
from requester.batches.plan import BatchEstimate
from requester.batches.records import BatchOptions, BatchProgress, RowStatus
from requester.cli.batch_display import (
    batch_estimate_lines,
    batch_progress,
    seconds_left,
    summary_line,
)
from requester.jobs.drafts import Terms

AMOUNTS = Amounts(6, "ATD")
ESTIMATE = BatchEstimate(
    prompts=2_000,
    jobs=63,
    prompt_tokens=9_000,
    max_tokens=10_000,
    max_cost=900_000,
    min_cost=300_000,
    largest_escrow=15_000,
)


def _progress(accepted: int, running: int, note: str = "") -> BatchProgress:
    counts = {RowStatus.ACCEPTED: accepted, RowStatus.RUNNING: running}
    counts[RowStatus.WAITING] = 10 - accepted - running
    return BatchProgress(counts, 5, running // 2, accepted * 1_000, running * 900, note)


@pytest.mark.parametrize(
    ("pending", "finished", "elapsed", "expected"),
    [(90, 10, 5.0, 45.0), (0, 10, 5.0, 0.0), (10, 0, 5.0, None), (10, -2, 5.0, None)],
)
def test_seconds_left_follows_the_pace_of_this_run(
    pending: int, finished: int, elapsed: float, expected: float | None
) -> None:
    assert seconds_left(pending, finished, elapsed) == expected


def test_estimate_lines_say_what_is_locked_and_what_the_budget_covers() -> None:
    lines = batch_estimate_lines(ESTIMATE, BatchOptions(budget=500_000), AMOUNTS)
    assert lines == [
        "2,000 prompts in 63 jobs, 9,000 tokens, up to 1,000 new ones",
        "redundancy 3, quorum 2",
        "locks   up to 0.015 ATD a job (what is not used comes back)",
        "costs   0.3 ATD to 0.9 ATD",
        "budget  0.5 ATD, which may not pay for all: the batch stops there",
    ]
    alone = BatchOptions(terms=Terms(redundancy=1))
    assert "UNVERIFIED" in batch_estimate_lines(ESTIMATE, alone, AMOUNTS)[1]


def test_progress_lines_come_only_when_something_changed() -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=40)
    with batch_progress(console, "12ab", AMOUNTS) as watcher:
        for progress in (
            _progress(0, 2),
            _progress(0, 4),
            _progress(2, 2),
            _progress(2, 4, "waiting for seats: 2 of 3 are open"),
            _progress(10, 0),
        ):
            watcher(progress)
    first, second, third, last = shown.getvalue().splitlines()
    assert first == "batch 12ab: 0 of 10 prompts, 1 job in flight, 0 ATD spent"
    assert second.startswith("batch 12ab: 2 of 10 prompts, 1 job in flight, 0.002 ATD")
    assert second.endswith(" s left")
    assert third.endswith("left, waiting for seats: 2 of 3 are open")
    assert last == "batch 12ab: 10 of 10 prompts, 0 jobs in flight, 0.01 ATD spent"


def test_progress_on_a_terminal_is_a_bar_that_ends_full() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120, color_system=None)
    with batch_progress(console, "12ab", AMOUNTS) as watcher:
        watcher(_progress(2, 2))
        watcher(_progress(10, 0))
    text = shown.getvalue()
    assert "batch 12ab" in text and "10/10" in text and "0.01 ATD spent" in text


def test_summary_line_names_what_is_missing() -> None:
    counts = {
        RowStatus.ACCEPTED: 4,
        RowStatus.FAILED: 2,
        RowStatus.CANCELLED: 1,
        RowStatus.UNFETCHED: 1,
        RowStatus.WAITING: 2,
    }
    progress = BatchProgress(counts, 5, 0, 4_000, 0)
    assert summary_line(progress, AMOUNTS) == (
        "4 of 10 prompts accepted, 3 failed, 1 accepted, but their results cannot be "
        "had yet, 2 not done; 0.004 ATD spent"
    )
