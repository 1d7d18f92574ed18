from __future__ import annotations

from pathlib import Path

from protocol.chain.transactions.fees import Fees
from protocol.chain.transactions.nonces import NonceManager, NonceRegistry, NonceState
from protocol.chain.transactions.outbox import Broadcast, Outbox

ACCOUNT = "0x" + "ab" * 20


def _broadcast(nonce: int, *, max_fee: int = 2) -> Broadcast:
    tx_hash = f"0x{nonce:032x}{max_fee:032x}"
    return Broadcast(nonce, tx_hash, "gift", b"", 21_000, Fees(max_fee, 1), 0.0)


def _outbox() -> Outbox:
    return Outbox(None, chain_id=1, account=ACCOUNT)


def _state() -> NonceState:
    return NonceRegistry().state_of(1, ACCOUNT, None)


def test_state_of_a_file_is_one_and_its_lock_that_of_the_key(tmp_path: Path) -> None:
    registry = NonceRegistry()
    state = registry.state_of(1, ACCOUNT, tmp_path / "outbox")
    assert registry.state_of(1, ACCOUNT, tmp_path / "x" / ".." / "outbox") is state
    alone = registry.state_of(1, ACCOUNT, None)
    assert alone is not state
    assert alone.lock is state.lock
    assert registry.state_of(2, ACCOUNT, None).lock is not state.lock


def test_next_free_passes_over_what_is_pending() -> None:
    nonces = NonceManager(_outbox(), _state())
    for nonce in (4, 5, 7):
        nonces.reserve(_broadcast(nonce))
    assert [nonces.next_free(first) for first in (3, 4, 7)] == [3, 6, 8]


def test_broadcasts_outlive_an_outbox_that_another_process_settled() -> None:
    outbox, first, dearer = (
        _outbox(),
        _broadcast(3),
        _broadcast(3, max_fee=9),
    )
    nonces = NonceManager(outbox, _state())
    nonces.reserve(first)
    nonces.replace(dearer)
    outbox.settle(3, wei=0, now=0.0)
    assert nonces.broadcasts(3) == [first, dearer]
    nonces.drop(dearer)
    assert nonces.broadcasts(3) == [first]
    nonces.release(3)
    assert nonces.broadcasts(3) == []
    assert nonces.reserved() == set()


def test_replace_of_a_nonce_that_nobody_waits_for_reserves_nothing() -> None:
    outbox = _outbox()
    outbox.add(_broadcast(3))
    nonces = NonceManager(outbox, _state())
    nonces.replace(_broadcast(3, max_fee=9))
    assert nonces.pending() == {3}
    assert nonces.reserved() == set()


def test_taken_back_is_what_was_mined_lately_and_is_not_used() -> None:
    nonces = NonceManager(_outbox(), _state())
    mined = [_broadcast(nonce) for nonce in range(70)]
    for broadcast in mined:
        nonces.reserve(broadcast)
        nonces.confirm(broadcast, wei=1)
    assert nonces.pending() == set()
    assert nonces.taken_back(67, 69) == mined[67:69]
    assert nonces.taken_back(0, 8) == mined[6:8]
