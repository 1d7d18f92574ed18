"""A job's progress and price for people: lines, and a live picture on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from eth_typing import ChecksumAddress
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from protocol.amounts import Amounts
from protocol.hexadecimal import to_hex
from protocol.market.events import Entry, Log
from protocol.market.prices import Estimate
from protocol.market.round_history import RoundHistory
from protocol.market.sentences import sentence_of
from protocol.market.timeline import Timeline
from protocol.market.types import JobState

__all__ = ["estimate_lines", "event_line", "progress", "timeline_lines"]

Follower = Callable[[Timeline], None]

_STEPS = (JobState.OPEN, JobState.COMMITTING, JobState.REVEALING)
_SHOWN_PROMPTS = 10


def estimate_lines(estimate: Estimate, amounts: Amounts) -> list[str]:
    """What posting locks and what it can cost, said before anything is paid."""
    count = len(estimate.prompts)
    prompts = "1 prompt" if count == 1 else f"{count} prompts"
    own = sum(prompt.prompt_tokens for prompt in estimate.prompts)
    lines = [
        f"{prompts}, {own} tokens, up to {estimate.max_tokens - own} new ones",
        f"redundancy {estimate.redundancy}, quorum {estimate.quorum}"
        + (f", up to {estimate.rounds} rounds" if estimate.rounds > 1 else "")
        + ("" if estimate.is_verified else ": one worker alone, so UNVERIFIED"),
        f"locks   {amounts.text(estimate.escrow)} (what is not used comes back)",
        f"costs   {amounts.text(estimate.min_cost)} to "
        f"{amounts.text(estimate.escrow)}, "
        f"of which up to {amounts.text(estimate.fee)} fee",
        f"price   {amounts.text(estimate.price)} a token and worker, "
        f"{amounts.text(estimate.base_fee)} a worker, "
        f"up to {amounts.text(estimate.bounties)} for moving the job",
    ]
    if estimate.lowered_count:
        lines.append(
            f"the token budget lowers the new tokens of {estimate.lowered_count} of "
            f"{prompts}"
        )
    shown = estimate.prompts[:_SHOWN_PROMPTS] if count > 1 else ()
    for number, prompt in enumerate(shown, start=1):
        lowered = f" (asked {prompt.asked_tokens})" if prompt.is_lowered else ""
        lines.append(
            f"  prompt {number}: {prompt.prompt_tokens} tokens + {prompt.new_tokens} "
            f"new{lowered}, {amounts.text(prompt.min_cost)} to "
            f"{amounts.text(prompt.max_cost)}"
        )
    if count > _SHOWN_PROMPTS:
        lines.append(f"  … and {count - _SHOWN_PROMPTS} more")
    return lines


def event_line(log: Log, amounts: Amounts) -> str | None:
    """One event of a job as a line; None for one that says nothing to people."""
    sentence = sentence_of(log.event, amounts)
    return None if sentence is None else f"block {log.block_number}: {sentence}"


def timeline_lines(timeline: Timeline, amounts: Amounts) -> list[str]:
    """A job's whole history, headed by what it is."""
    params = timeline.params
    verified = "" if params.quorum > 1 else ", UNVERIFIED"
    lines = [
        f"job {to_hex(timeline.job_id)}",
        f"{timeline.state.label}; {params.prompt_count} prompts, at most "
        f"{params.max_tokens} tokens, redundancy {params.redundancy}{verified}",
    ]
    events = (event_line(log, amounts) for log in timeline.logs)
    return [*lines, *(line for line in events if line is not None)]


# ---------------------------------------------------------------- while waiting


@contextmanager
def progress(console: Console, amounts: Amounts) -> Iterator[Follower]:
    """Shows a job while it is waited for.

    Args:
        console: Where to. On a terminal the picture is redrawn in place; elsewhere
            each event is a line.
        amounts: How to write amounts.

    Yields:
        What to call with every new timeline.
    """
    if not console.is_terminal:
        yield _PlainFollower(console, amounts)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda timeline: live.update(_picture(timeline, amounts))


class _PlainFollower:
    def __init__(self, console: Console, amounts: Amounts) -> None:
        self._console = console
        self._amounts = amounts
        self._printed: set[tuple[str, int]] = set()

    def __call__(self, timeline: Timeline) -> None:
        for log in timeline.logs:
            place = (log.block_hash, log.log_index)
            line = event_line(log, self._amounts)
            if place not in self._printed and line is not None:
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
            self._printed.add(place)


def _picture(timeline: Timeline, amounts: Amounts) -> Group:
    head = Text(f"job {to_hex(timeline.job_id)}", style="bold")
    parts: list[Text | Table] = [head, _track(timeline)]
    parts += [
        _committee(one, timeline, amounts) for one in timeline.rounds if one.drawn
    ]
    tail = event_line(timeline.logs[-1], amounts)
    if tail is not None:
        parts.append(Text(tail, style="dim"))
    return Group(*parts)


def _track(timeline: Timeline) -> Text:
    """The states in a row: what is past, where the job is, what is to come."""
    state = timeline.state
    text = Text()
    for step in _STEPS:
        style = "bold cyan" if step == state else "green" if step < state else "dim"
        text.append(step.label, style=style).append(" ─► ", style="dim")
    if timeline.accepted is not None and not state.is_final:
        return text.append("Accepted, settling", style="bold green")
    if not state.is_final:
        return text.append("Settled", style="dim")
    is_good = state == JobState.ACCEPTED
    return text.append(state.label, style="bold green" if is_good else "bold red")


def _committee(one: RoundHistory, timeline: Timeline, amounts: Amounts) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("worker", "committed", "revealed", "money"):
        table.add_column(column, style="dim" if column == "worker" else None)
    for place in one.places:
        if not place.is_vacant:
            table.add_row(
                place.worker,
                _block(place.committed),
                _block(place.revealed),
                _money_of(place.worker, timeline, amounts),
            )
    return table


def _block(entry: Entry[Any] | None) -> str:
    return "…" if entry is None else f"block {entry.log.block_number}"


def _money_of(worker: ChecksumAddress, timeline: Timeline, amounts: Amounts) -> str:
    slash, paid = timeline.slash_of(worker), timeline.paid_to(worker)
    if slash is not None:
        return f"slashed {amounts.text(slash.amount)}"
    return f"paid {amounts.text(paid)}" if paid else ""
