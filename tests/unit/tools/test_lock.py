from __future__ import annotations

from tools.lock import lock_lines, with_markers


def test_lock_lines_keep_what_is_ours_to_pin() -> None:
    frozen = "pip==24.0\nTorch==2.13.0+cpu\nassay @ file:///here\nclick==8.1.7\n"
    assert lock_lines(frozen) == ["click==8.1.7", "Torch==2.13.0"]


def test_with_markers_keeps_a_requirement_to_where_it_is_wanted() -> None:
    wanted = [
        'coincurve>=20; python_version < "3.14"',
        "click>=8",
        "psycopg[binary]>=3",
    ]
    pins = ["click==8.1.7", "coincurve==21.0.0", "psycopg==3.2"]
    assert with_markers(pins, wanted) == [
        "click==8.1.7",
        'coincurve==21.0.0; python_version < "3.14"',
        "psycopg==3.2",
    ]
