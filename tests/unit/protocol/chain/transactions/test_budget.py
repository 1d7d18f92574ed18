from __future__ import annotations

import time

import pytest

from protocol.chain.transactions.budget import GasBudget
from protocol.chain.transactions.fees import Fees
from protocol.chain.transactions.outbox import Broadcast, Outbox
from protocol.errors import SpendingCapReached


def _outbox(*pending: tuple[int, int]) -> Outbox:
    """With 1,000 wei spent, and transactions of these nonces and costs pending."""
    outbox = Outbox(None, chain_id=1, account="me")
    for nonce, wei in [(0, 1), *pending]:
        outbox.add(Broadcast(nonce, f"0x{nonce}{wei}", "", b"", 1, Fees(wei, 1), 0.0))
    outbox.settle(0, wei=1_000, now=time.time())
    return outbox


def test_require_counts_the_dearest_of_each_pending_nonce() -> None:
    budget = GasBudget("me", _outbox((1, 10), (1, 20), (2, 5)), 1_100)
    budget.require(75)
    with pytest.raises(SpendingCapReached, match="spent 1000 wei.*has 25 wei.*76 wei"):
        budget.require(76)


def test_require_for_a_replacement_leaves_out_what_it_replaces() -> None:
    budget = GasBudget("me", _outbox((1, 10), (2, 5)), 1_100)
    budget.require(95, replaced_nonce=1)
    with pytest.raises(SpendingCapReached):
        budget.require(96, replaced_nonce=1)


def test_require_without_a_limit_takes_anything() -> None:
    GasBudget("me", _outbox((1, 10)), None).require(10**30)
