"""A reorganisation takes back a mined transaction that a later one waits for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from devnet.processes.anvil import local_chain
from tests.support.machines.processes import eventually
from tests.support.network.chain import Stage

WORKER = 2


@pytest.fixture
def slow_market() -> Iterator[Stage]:
    """On a node that mines only when the test says so, once the market is there."""
    with local_chain() as anvil:
        market = Stage.deploy(anvil)
        anvil.rpc("evm_setAutomine", False)
        yield market


def test_send_behind_a_transaction_taken_back_is_mined(slow_market: Stage) -> None:
    anvil = slow_market.anvil
    client = slow_market.client(WORKER)
    first, second = (
        threading.Thread(target=client.approve, args=(amount,), daemon=True)
        for amount in (5, 6)
    )

    def is_in_pool() -> bool:
        status = anvil.rpc("txpool_status")
        return bool(int(status["pending"], 16))

    first.start()
    assert eventually(is_in_pool)
    anvil.mine()
    first.join(30)
    assert not first.is_alive()
    assert client.allowance(client.address) == 5
    second.start()
    assert eventually(is_in_pool)
    anvil.rpc("anvil_reorg", 1, [])
    assert client.allowance(client.address) == 0

    def is_mined() -> bool:
        anvil.mine()
        return not second.is_alive()

    assert eventually(is_mined)
    assert client.allowance(client.address) == 6
    assert int(anvil.rpc("eth_getTransactionCount", client.address, "latest"), 16) == 2
