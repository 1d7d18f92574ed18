"""What a mined transaction counts for, by what the node says of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account

from protocol.chain.transactions.broadcaster import Broadcaster
from protocol.chain.transactions.budget import GasBudget
from protocol.chain.transactions.fees import Fees
from protocol.chain.transactions.nonces import NonceManager, NonceRegistry
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.outbox import Broadcast, Outbox

ACCOUNT = Account.from_key(b"\1" * 32)
HASH = "0x" + "ab" * 32
MINED = {
    "blockNumber": "0x10",
    "blockHash": "0x" + "cd" * 32,
    "status": "0x1",
    "gasUsed": "0x5208",
    "logs": [],
}


@pytest.mark.parametrize(
    ("stated", "spent"),
    # A node that states no price must not lift the limit of a day.
    [({"effectiveGasPrice": "0x3"}, 21_000 * 3), ({}, 21_000 * 9)],
    ids=["stated", "unstated"],
)
def test_confirm_counts_the_price_or_the_most_it_could_be(
    stated: dict[str, str], spent: int
) -> None:
    answer = MINED | stated
    manager = SimpleNamespace(request_blocking=lambda method, params: answer)
    web3: Any = SimpleNamespace(manager=manager)
    outbox = Outbox(None, chain_id=1, account=ACCOUNT.address)
    state = NonceRegistry().state_of(1, ACCOUNT.address, None)
    nonces = NonceManager(outbox, state)
    options = SenderOptions()
    budget = GasBudget(ACCOUNT.address, outbox, None)
    broadcaster = Broadcaster(web3, ACCOUNT, nonces, budget, options)
    nonces.reserve(Broadcast(5, HASH, "gift", b"", 21_000, Fees(9, 1), 0.0))
    assert broadcaster.confirm(5) is not None
    assert budget.spent_in_a_day() == spent
