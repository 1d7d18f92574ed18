from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.market.types import JobState, Round
from tests.unit.worker.test_duty import ROUND
from worker.drain import can_still_draw

OPEN = replace(ROUND, state=JobState.OPEN, seed_block=50, expiry_block=306, deadline=0)


@pytest.mark.parametrize(
    ("current", "close_block", "head", "can"),
    [
        # The roster froze as it stood before block 49.
        (OPEN, 48, 60, False),
        (OPEN, 49, 60, True),
        (OPEN, 49, 305, True),
        (OPEN, 49, 306, False),
        (ROUND, 49, 60, False),
    ],
)
def test_can_still_draw_a_closing_seat_only_if_armed_before(
    current: Round, close_block: int, head: int, can: bool
) -> None:
    assert can_still_draw(current, close_block, head) is can
