"""A worker's status for people: a picture that is redrawn in place."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from protocol.amounts import Amounts, format_scaled
from protocol.errors import MarketError
from protocol.hexadecimal import to_hex
from protocol.host.terminal import duration
from protocol.market.types import ModelId
from worker.duty import JobStage
from worker.monitoring.snapshot import PendingDuty, Snapshot
from worker.monitoring.status import Status, Vitals
from worker.seats.holdings import SeatState

__all__ = ["Pace", "follow_status", "render_status"]

_GAS_DECIMALS = 18
_SHOWN_DUTIES = 12
_STYLES = {
    JobStage.MISSED: "bold red",
    JobStage.REVEALED: "green",
    JobStage.COMMITTED: "green",
}


class Pace:
    """Tokens a second, between two looks."""

    def __init__(self) -> None:
        """Nothing was looked at yet."""
        self._last: tuple[float, int] | None = None

    def of(self, vitals: Vitals | None, now: float) -> float | None:
        """Tokens a second since the last look; None at the first.

        Args:
            vitals: What the process says.
            now: Seconds that only grow.
        """
        last, self._last = self._last, None
        if vitals is None:
            return None
        self._last = (now, vitals.tokens)
        if last is None or now <= last[0] or vitals.tokens < last[1]:
            return None
        return (vitals.tokens - last[1]) / (now - last[0])


def follow_status(
    console: Console,
    read: Callable[[], Status],
    amounts: Amounts,
    *,
    interval_seconds: float,
) -> None:
    """Redraw the status until interrupted; a chain that is away is waited for.

    Args:
        console: A terminal.
        read: Gives the status now.
        amounts: How to write amounts.
        interval_seconds: Pause between two looks.
    """
    pace = Pace()
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            try:
                status = read()
                speed = pace.of(status.vitals, time.monotonic())
                picture: RenderableType = render_status(
                    status, amounts, now=time.time(), tokens_per_second=speed
                )
            except MarketError as error:
                picture = Text(f"cannot be seen now: {error}", style="red")
            live.update(picture, refresh=True)
            time.sleep(interval_seconds)


def render_status(
    status: Status,
    amounts: Amounts,
    *,
    now: float,
    tokens_per_second: float | None = None,
) -> Group:
    """The status as a picture.

    Args:
        status: What to show.
        amounts: How to write amounts.
        now: Unix time.
        tokens_per_second: Of the engine, if known.
    """
    return Group(
        _header(status, now),
        *_warnings(status),
        _money(status.snapshot, amounts),
        _seats(status.snapshot, amounts),
        *_duties(status.snapshot),
        _engine(status.vitals, tokens_per_second),
    )


def _header(status: Status, now: float) -> Text:
    snapshot, run, vitals = status.snapshot, status.run, status.vitals
    if run is None:
        how, style = "not running", "bold red"
    else:
        for_seconds = duration(max(0, int(now - run.started_at)))
        how, style = f"running for {for_seconds}, process {run.pid}", "bold green"
        if vitals is not None and vitals.is_draining:
            how, style = f"draining, {how}", "bold yellow"
    return Text.assemble(
        f"worker {snapshot.worker}\n", (how, style), f", block {snapshot.block_number}"
    )


def _warnings(status: Status) -> Iterator[Text]:
    vitals = status.vitals
    if vitals is not None:
        for name, reason in vitals.obstacles.items():
            yield Text(f"not ready: {name}: {reason}", style="yellow")
    if status.run is not None and vitals is None:
        note = "silent" if status.run.monitor_url else "not served"
        yield Text(f"metrics: {note} (setting monitor_address)", style="dim")


def _money(snapshot: Snapshot, amounts: Amounts) -> Table:
    table = _table("gas", "credit", "tokens", "stake", "at risk")
    table.add_row(
        _short_gas(snapshot.gas_wei),
        amounts.text(snapshot.account.credit),
        amounts.text(snapshot.tokens),
        amounts.text(snapshot.stake),
        amounts.text(snapshot.stake_at_risk),
    )
    return table


def _seats(snapshot: Snapshot, amounts: Amounts) -> Table:
    table = _table("model", "seats", *(state.value for state in SeatState), "leave at")
    models: dict[ModelId, list[int]] = defaultdict(list)
    for seat in snapshot.seats:
        models[seat.model_id].append(seat.leaves_at_block or 0)
    for model_id, leaving in models.items():
        states = snapshot.seat_states(model_id)
        blocks = [str(block) for block in sorted(set(leaving)) if block]
        table.add_row(
            _short(model_id),
            str(len(leaving)),
            *(str(states[state]) for state in SeatState),
            f"block {blocks[0]}" if blocks else "",
        )
    if not models:
        table.add_row("none", *[""] * 5)
    record = snapshot.account
    table.caption = (
        f"{record.completed} jobs completed, {record.missed} missed, "
        f"{record.slashed} slashed"
    )
    table.caption_justify = "left"
    return table


def _duties(snapshot: Snapshot) -> Iterator[RenderableType]:
    if not snapshot.duties:
        yield Text("no job under way")
        return
    counts = Counter(duty.stage for duty in snapshot.duties)
    listed = ", ".join(
        f"{counts[stage]} {stage}" for stage in JobStage if counts[stage]
    )
    yield Text(f"jobs: {listed}")
    table = _table("job", "round", "seat", "state", "left")
    urgent = sorted(snapshot.duties, key=lambda duty: duty.deadline)
    for duty in urgent[:_SHOWN_DUTIES]:
        table.add_row(
            _short(duty.job_id),
            str(duty.round_number),
            str(duty.seat_id),
            Text(duty.stage.value, style=_STYLES.get(duty.stage, "")),
            _time_left(duty, snapshot.block_time),
        )
    yield table
    if len(urgent) > _SHOWN_DUTIES:
        yield Text(f"… and {len(urgent) - _SHOWN_DUTIES} more")


def _engine(vitals: Vitals | None, tokens_per_second: float | None) -> Text:
    if vitals is None:
        return Text("")
    speed = "" if tokens_per_second is None else f"{tokens_per_second:,.0f} tokens/s, "
    return Text(
        f"engine: {speed}{vitals.running} jobs in the batch, {vitals.waiting} waiting, "
        f"{vitals.tokens:,} tokens since the start"
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for column in columns:
        table.add_column(column, header_style="dim", no_wrap=True)
    return table


def _time_left(duty: PendingDuty, now: int) -> str:
    left = duty.deadline - now
    return duration(left) if left >= 0 else "over"


def _short(value: bytes) -> str:
    text = to_hex(value)
    return f"{text[:10]}…{text[-6:]}"


def _short_gas(wei: int) -> str:
    # Six decimals of what a chain's own coin is written in.
    return format_scaled(wei // 10**12, _GAS_DECIMALS - 12, "ETH")
