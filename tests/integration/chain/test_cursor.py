"""A cursor over a real chain that is reorganised."""

from __future__ import annotations

import pytest

from devnet.processes.anvil import Anvil
from protocol.chain.client import MarketClient
from protocol.chain.cursor import EventBatch, EventCursor
from protocol.market.events import StakeDeposited, Withdrawn
from tests.support.network.chain import Stage


@pytest.fixture
def depositor(own_anvil: Anvil) -> MarketClient:
    client = Stage.deploy(own_anvil).client(5)
    client.faucet(1_000)
    client.approve(1_000)
    return client


def _amounts(batch: EventBatch) -> list[int]:
    events = [log.event for log in batch.logs]
    return [event.amount for event in events if isinstance(event, StakeDeposited)]


def _cursor(client: MarketClient, confirmations: int = 0) -> EventCursor:
    start = client.deployment.block_number
    return EventCursor(client, start_block=start, confirmations=confirmations)


def test_poll_delivers_each_log_once(own_anvil: Anvil, depositor: MarketClient) -> None:
    cursor = _cursor(depositor)
    depositor.deposit(1)
    depositor.deposit(2)
    batch = cursor.poll()
    assert (_amounts(batch), batch.rewound_to) == ([1, 2], None)
    assert batch.head == depositor.block_number()
    assert cursor.poll() == EventBatch((), None, batch.head)
    own_anvil.mine(3)
    depositor.deposit(3)
    assert _amounts(cursor.poll()) == [3]


def test_poll_with_confirmations_waits_for_them(
    own_anvil: Anvil, depositor: MarketClient
) -> None:
    cursor = _cursor(depositor, confirmations=2)
    depositor.deposit(1)
    assert _amounts(cursor.poll()) == []
    own_anvil.mine()
    assert _amounts(cursor.poll()) == []
    own_anvil.mine()
    assert _amounts(cursor.poll()) == [1]


def test_poll_of_kinds_leaves_others_out(depositor: MarketClient) -> None:
    start = depositor.deployment.block_number
    cursor = EventCursor(depositor, start_block=start, kinds=(Withdrawn,))
    depositor.deposit(5)
    depositor.withdraw(2, depositor.address)
    assert [type(log.event) for log in cursor.poll().logs] == [Withdrawn]


def test_poll_after_a_reorg_rewinds_to_the_fork(
    own_anvil: Anvil, depositor: MarketClient
) -> None:
    cursor = _cursor(depositor)
    depositor.deposit(1)
    fork = depositor.block_number()
    cursor.poll()
    depositor.deposit(2)
    depositor.deposit(3)
    assert _amounts(cursor.poll()) == [2, 3]
    old_hash = depositor.block_hash(fork + 1)

    own_anvil.rpc("anvil_reorg", 2, [])
    assert depositor.block_hash(fork + 1) != old_hash
    batch = cursor.poll()
    assert batch.rewound_to == fork
    assert _amounts(batch) == []
    depositor.deposit(4)
    batch = cursor.poll()
    assert (_amounts(batch), batch.rewound_to) == ([4], None)


def test_poll_after_a_reorg_delivers_what_replaced_it(
    own_anvil: Anvil, depositor: MarketClient
) -> None:
    cursor = _cursor(depositor)
    depositor.deposit(1)
    cursor.poll()
    snapshot = own_anvil.rpc("evm_snapshot")
    depositor.deposit(2)
    assert _amounts(cursor.poll()) == [2]
    fork = depositor.block_number() - 1

    own_anvil.rpc("evm_revert", snapshot)
    own_anvil.mine()
    depositor.deposit(7)
    batch = cursor.poll()
    assert (_amounts(batch), batch.rewound_to) == ([7], fork)
    assert depositor.account_of(depositor.address).credit == 1 + 7


def test_poll_of_a_chain_that_got_shorter_rewinds_once_it_grows(
    own_anvil: Anvil, depositor: MarketClient
) -> None:
    """Until then it looks like a node that is behind."""
    cursor = _cursor(depositor)
    depositor.deposit(1)
    cursor.poll()
    fork = depositor.block_number()
    snapshot = own_anvil.rpc("evm_snapshot")
    depositor.deposit(2)
    cursor.poll()
    own_anvil.rpc("evm_revert", snapshot)
    assert cursor.poll() == EventBatch((), None, fork + 1)
    depositor.deposit(3)
    batch = cursor.poll()
    assert (_amounts(batch), batch.rewound_to) == ([3], fork)


def test_position_lets_another_cursor_go_on(
    own_anvil: Anvil, depositor: MarketClient
) -> None:
    cursor = _cursor(depositor)
    depositor.deposit(1)
    cursor.poll()
    fork = depositor.block_number()
    snapshot = own_anvil.rpc("evm_snapshot")
    depositor.deposit(2)
    cursor.poll()
    position = cursor.position
    assert position is not None
    assert position.block_number == depositor.block_number()
    assert position.block_hash == depositor.block_hash(position.block_number)

    start = depositor.deployment.block_number
    resumed = EventCursor(depositor, start_block=start, position=position)
    depositor.deposit(3)
    assert _amounts(resumed.poll()) == [3]

    own_anvil.rpc("evm_revert", snapshot)
    own_anvil.mine(5)
    resumed = EventCursor(depositor, start_block=start, position=position)
    assert resumed.poll().rewound_to == fork
