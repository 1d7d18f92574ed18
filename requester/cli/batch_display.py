"""A batch's price, progress and end for people."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from protocol.amounts import Amounts
from protocol.host.terminal import duration
from requester.batches.plan import BatchEstimate
from requester.batches.records import BatchOptions, BatchProgress

__all__ = ["batch_estimate_lines", "batch_progress", "seconds_left", "summary_line"]

Watcher = Callable[[BatchProgress], None]


def batch_estimate_lines(
    estimate: BatchEstimate, options: BatchOptions, amounts: Amounts
) -> list[str]:
    """What a batch locks and can cost, said before anything is paid."""
    terms = options.terms
    new = estimate.max_tokens - estimate.prompt_tokens
    alone = ": one worker alone, so UNVERIFIED" if terms.redundancy == 1 else ""
    lines = [
        f"{_counted(estimate.prompts, 'prompt')} in {_counted(estimate.jobs, 'job')}, "
        f"{estimate.prompt_tokens:,} tokens, up to {new:,} new ones",
        f"redundancy {terms.redundancy}, quorum {terms.redundancy // 2 + 1}{alone}",
        f"locks   up to {amounts.text(estimate.largest_escrow)} a job "
        "(what is not used comes back)",
        f"costs   {amounts.text(estimate.min_cost)} to "
        f"{amounts.text(estimate.max_cost)}",
    ]
    if options.budget is not None:
        text = f"budget  {amounts.text(options.budget)}"
        if options.budget < estimate.max_cost:
            text += ", which may not pay for all: the batch stops there"
        lines.append(text)
    return lines


def seconds_left(pending: int, finished: int, elapsed: float) -> float | None:
    """How long the rest takes at the pace so far; None while there is no pace.

    Args:
        pending: Prompts to come.
        finished: Prompts that this run finished.
        elapsed: Seconds that it took.
    """
    return None if finished <= 0 else pending * elapsed / finished


def summary_line(progress: BatchProgress, amounts: Amounts) -> str:
    """What came of a batch."""
    parts = [f"{progress.accepted:,} of {progress.total:,} prompts accepted"]
    for count, what in (
        (progress.failed, "failed"),
        (progress.unfetched, "accepted, but their results cannot be had yet"),
        (progress.pending, "not done"),
    ):
        if count:
            parts.append(f"{count:,} {what}")
    return f"{', '.join(parts)}; {amounts.text(progress.spent)} spent"


@contextmanager
def batch_progress(
    console: Console, batch_id: str, amounts: Amounts
) -> Iterator[Watcher]:
    """Shows a batch while it runs: a bar on a terminal, elsewhere lines.

    Args:
        console: Where to.
        batch_id: The batch.
        amounts: How to write amounts.

    Yields:
        What to call with the progress after every look.
    """
    pace = _RunPace(amounts)
    if not console.is_terminal:

        def tell(progress: BatchProgress) -> None:
            line = pace.line(progress)
            if line is not None:
                text = f"batch {batch_id}: {line}"
                console.print(text, markup=False, highlight=False, soft_wrap=True)

        yield tell
        return
    columns = (
        TextColumn(f"batch {batch_id}", style="bold"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, detail="")

        def draw(progress: BatchProgress) -> None:
            bar.update(
                task,
                total=progress.total,
                completed=progress.total - progress.pending,
                detail=pace.detail(progress),
            )

        yield draw


class _RunPace:
    """Remembers where this run began, to tell how fast it goes."""

    def __init__(self, amounts: Amounts) -> None:
        self._amounts = amounts
        self._started_at = time.monotonic()
        self._pending_at_start: int | None = None
        self._shown: tuple[int, str] | None = None

    def line(self, progress: BatchProgress) -> str | None:
        """A line, if anything finished or something else is waited for."""
        detail = self.detail(progress)
        shown = (progress.pending, progress.note)
        if shown == self._shown:
            return None
        self._shown = shown
        done = progress.total - progress.pending
        return f"{done:,} of {progress.total:,} prompts, {detail}"

    def detail(self, progress: BatchProgress) -> str:
        if self._pending_at_start is None:
            self._pending_at_start = progress.pending
        parts = [
            f"{_counted(progress.in_flight, 'job')} in flight",
            f"{self._amounts.text(progress.spent)} spent",
        ]
        if progress.failed:
            parts.append(f"{progress.failed:,} failed")
        elapsed = time.monotonic() - self._started_at
        finished = self._pending_at_start - progress.pending
        left = seconds_left(progress.pending, finished, elapsed)
        if left is not None and progress.pending:
            parts.append(f"{duration(left)} left")
        if progress.note:
            parts.append(progress.note)
        return ", ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
