"""No row of the page outlives the attack that it tells of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.attacks import ZOO

PLAYS = [
    (Path(__file__).parent / name).read_text(encoding="utf-8")
    for name in ("test_workers.py", "test_requesters.py")
]


@pytest.mark.parametrize("name", ZOO)
def test_attack_of_the_page_is_played(name: str) -> None:
    assert any(f'"{name}"' in play for play in PLAYS)
