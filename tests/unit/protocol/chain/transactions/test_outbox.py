"""What an outbox remembers, in memory and in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.chain.transactions.fees import Fees
from protocol.chain.transactions.outbox import Broadcast, Outbox
from protocol.errors import OutboxError

ACCOUNT = "0x00000000000000000000000000000000DeaDBeef"
OTHER = "0x00000000000000000000000000000000DeaDBeE0"
NOW = 1_900_000_000.0
HUGE = 10**30


def _file(folder: Path, account: str = ACCOUNT, chain_id: int = 1) -> Outbox:
    path = folder / "deep" / "outbox.sqlite"
    return Outbox(path, chain_id=chain_id, account=account)


@pytest.fixture(params=["memory", "file"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Outbox:
    if request.param == "file":
        return _file(tmp_path)
    return Outbox(None, chain_id=1, account=ACCOUNT)


def _broadcast(nonce: int, max_fee: int = 10, label: str = "") -> Broadcast:
    return Broadcast(
        nonce=nonce,
        tx_hash=f"0x{nonce}-{max_fee}-{label}",
        call="postJob",
        raw=b"\x02raw",
        gas=21_000,
        fees=Fees(max_fee=max_fee, priority_fee=2),
        sent_at=NOW,
    )


def test_pending_broadcasts_come_by_nonce_and_fee(outbox: Outbox) -> None:
    given = [_broadcast(4), _broadcast(3, 20), _broadcast(3, 10), _broadcast(3, HUGE)]
    for broadcast in given:
        outbox.add(broadcast)
    assert outbox.pending() == [given[2], given[1], given[3], given[0]]
    assert given[1].max_wei == 420_000


def test_settle_forgets_all_of_a_nonce_and_counts_its_cost(outbox: Outbox) -> None:
    for broadcast in (_broadcast(3), _broadcast(3, 20), _broadcast(4)):
        outbox.add(broadcast)
    outbox.settle(3, wei=HUGE, now=NOW)
    assert outbox.pending() == [_broadcast(4)]
    outbox.settle(4, wei=0, now=NOW + 5)
    assert outbox.pending() == []
    assert outbox.spent_since(NOW) == HUGE
    assert outbox.spent_since(NOW + 1) == 0


def test_settle_twice_counts_the_cost_once(outbox: Outbox) -> None:
    outbox.add(_broadcast(3))
    for _ in range(2):
        outbox.settle(3, wei=7, now=NOW)
    assert outbox.spent_since(0) == 7


def test_drop_forgets_one_of_a_nonce(outbox: Outbox) -> None:
    outbox.add(_broadcast(3))
    outbox.add(_broadcast(3, 20))
    outbox.drop(_broadcast(3, 20).tx_hash)
    assert outbox.pending() == [_broadcast(3)]


def test_spent_since_adds_what_is_young_enough(outbox: Outbox) -> None:
    day = 24 * 3_600
    for age, wei in ((3 * day, 1), (2 * day, 10), (1, 100), (0, 1_000)):
        outbox.add(_broadcast(1))
        outbox.settle(1, wei=wei, now=NOW - age)
    assert outbox.spent_since(NOW - day) == 1_100
    assert outbox.spent_since(NOW - 2 * day) == 1_110
    outbox.add(_broadcast(2))
    outbox.settle(2, wei=1, now=NOW + 30 * day)
    # Nobody asks for what is weeks old, so it is not kept.
    assert outbox.spent_since(0) == 1


def test_a_file_keeps_what_another_object_wrote(tmp_path: Path) -> None:
    first = _file(tmp_path)
    for nonce in (2, 3):
        first.add(_broadcast(nonce))
    first.settle(2, wei=7, now=NOW)
    second = _file(tmp_path)
    assert second.pending() == [_broadcast(3)]
    assert second.spent_since(NOW) == 7


def test_a_file_keeps_accounts_and_chains_apart(tmp_path: Path) -> None:
    boxes = [_file(tmp_path), _file(tmp_path, OTHER), _file(tmp_path, chain_id=2)]
    for nonce in (1, 3):
        boxes[0].add(_broadcast(nonce))
    boxes[0].settle(1, wei=7, now=NOW)
    for other in boxes[1:]:
        other.settle(3, wei=0, now=NOW)
        other.drop(_broadcast(3).tx_hash)
        assert other.pending() == []
        assert other.spent_since(0) == 0
    assert boxes[0].pending() == [_broadcast(3)]


def test_a_broadcast_added_twice_is_kept_once(outbox: Outbox) -> None:
    outbox.add(_broadcast(3))
    outbox.add(replace(_broadcast(3), sent_at=NOW + 9))
    assert outbox.pending() == [_broadcast(3)]


def test_a_damaged_file_is_reported_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(OutboxError, match=r"outbox\.sqlite.*nothing was changed"):
        Outbox(path, chain_id=1, account=ACCOUNT)
    assert path.read_bytes() == b"no database at all" * 100
