"""What the watchdog has left to kill."""

from __future__ import annotations

from devnet.processes.watchdog import remaining_groups


def test_remaining_groups_some_ended_keeps_the_others_in_order() -> None:
    lines = [b"+30\n", b"+10\n", b"+20\n", b"-10\n"]
    assert remaining_groups(lines) == [30, 20]


def test_remaining_groups_id_used_again_is_kept() -> None:
    assert remaining_groups([b"+7\n", b"-7\n", b"+7\n"]) == [7]


def test_remaining_groups_half_a_line_is_ignored() -> None:
    # Nothing that could name a group nobody started, such as 0 for one's own.
    assert remaining_groups([b"+12\n", b"+", b"\n", b"+x\n", b"-\n"]) == [12]
