"""Bar charts as SVG, drawn on the server, with the same figures as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = ["Bar", "Chart", "bar_chart"]

_WIDTH, _HEIGHT = 320, 110
_TOP, _BOTTOM, _LEFT = 14, 18, 2
_GAP = 0.25


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        label: What it stands for, such as an hour.
        value: Its height, not negative.
        shown: The value as people read it.
    """

    label: str
    value: float
    shown: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and what it says.

    Attributes:
        title: What is shown, with its unit.
        svg: The picture.
        bars: The figures, for a table beside it.
    """

    title: str
    svg: Markup
    bars: tuple[Bar, ...]


def bar_chart(title: str, bars: Sequence[Bar]) -> Chart:
    """Draw bars from left to right; first and last are labelled, and the highest.

    Args:
        title: What is shown, with its unit.
        bars: At least none; the picture is empty then.
    """
    top = max((bar.value for bar in bars), default=0)
    step = (_WIDTH - _LEFT) / max(len(bars), 1)
    room = _HEIGHT - _TOP - _BOTTOM
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(_summary(title, bars))}">',
        f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{_HEIGHT - _BOTTOM}" '
        f'y2="{_HEIGHT - _BOTTOM}"/>',
    ]
    for index, bar in enumerate(bars):
        height = room * bar.value / top if top else 0
        parts.append(
            f'<rect class="bar" x="{_LEFT + index * step + step * _GAP / 2:.1f}" '
            f'y="{_HEIGHT - _BOTTOM - height:.1f}" width="{step * (1 - _GAP):.1f}" '
            f'height="{height:.1f}"><title>{escape(f"{bar.label}: {bar.shown}")}'
            "</title></rect>"
        )
    if bars:
        highest = max(bars, key=lambda bar: bar.value)
        parts += [
            _text(0, _HEIGHT - 4, "start", bars[0].label),
            _text(_WIDTH, _HEIGHT - 4, "end", bars[-1].label),
            _text(_WIDTH, 10, "end", f"highest {highest.shown}"),
        ]
    svg = Markup("".join([*parts, "</svg>"]))  # every text in it was escaped
    return Chart(title, svg, tuple(bars))


def _text(x: int, y: int, anchor: str, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _summary(title: str, bars: Sequence[Bar]) -> str:
    if not bars:
        return f"{title}: nothing yet"
    highest = max(bars, key=lambda bar: bar.value)
    return (
        f"{title}: {len(bars)} bars from {bars[0].label} to {bars[-1].label}, "
        f"last {bars[-1].shown}, highest {highest.shown} at {highest.label}"
    )
