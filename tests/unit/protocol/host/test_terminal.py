from __future__ import annotations

import pytest

from protocol.host.terminal import duration, one_line, printable


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (93_784, "1 d 2 h"),
    ],
)
def test_duration_shows_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_printable_keeps_letters_and_takes_commands_out() -> None:
    assert printable("é\ta\nb\x1b[31m\r") == "é\ta\nb\ufffd[31m\ufffd"


def test_one_line_of_an_error_has_no_breaks() -> None:
    assert one_line(ValueError("no\n  way\tout ")) == "no way out"
