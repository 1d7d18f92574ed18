"""Transactions that are not mined: sent again, replaced, or lost to another."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from web3 import Web3

from devnet.processes.anvil import Anvil, development_account
from protocol.chain.rpc.provider import connect
from protocol.chain.rpc.receipts import TxReceipt
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.sender import Call, Sender
from protocol.errors import GasPriceTooHigh
from protocol.hexadecimal import to_hex
from tests.support.faults.faulty_proxy import FaultyProxy, drop, error, swallow
from tests.support.machines.processes import eventually

GWEI = 10**9
ACCOUNT = development_account(7)
SEND = "eth_sendRawTransaction"

Start = Callable[[Sender], Future[TxReceipt]]


@pytest.fixture
def node(own_anvil: Anvil) -> Anvil:
    """Mines when told to."""
    own_anvil.rpc("evm_setAutomine", False)
    return own_anvil


@pytest.fixture
def start() -> Iterator[Start]:
    """Sends in the background, once what was sent before has arrived."""
    with ThreadPoolExecutor() as pool:
        yield lambda sender: pool.submit(
            sender.send, Call("gift", ACCOUNT.address, b"")
        )


def _sender(url: str, **options: Any) -> Sender:
    usual = {"replace_after_seconds": 1.0, "receipt_timeout_seconds": 30.0}
    chosen = SenderOptions(**(usual | options))
    return Sender(connect(url), ACCOUNT, options=chosen)


def _pool(node: Anvil) -> list[dict[str, Any]]:
    """The account's transactions in the node's pool, by nonce."""
    content = node.rpc("txpool_content")
    found: dict[int, dict[str, Any]] = {}
    for kind in ("pending", "queued"):
        for address, by_nonce in content[kind].items():
            if Web3.to_checksum_address(address) == ACCOUNT.address:
                found.update({int(nonce): x for nonce, x in by_nonce.items()})
    return [found[nonce] for nonce in sorted(found)]


def _wait_for(node: Anvil, count: int) -> list[dict[str, Any]]:
    assert eventually(lambda: len(_pool(node)) == count), _pool(node)
    return _pool(node)


def _hashes(sender: Sender, nonce: int) -> list[str]:
    return [broadcast.tx_hash for broadcast in sender._nonces.broadcasts(nonce)]


def test_send_that_the_base_fee_left_behind_is_replaced(
    node: Anvil, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sender = _sender(node.url)
    sent = start(sender)
    (first,) = _wait_for(node, 1)
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    node.mine()
    # Anvil forgets what cannot be mined any more.
    (second,) = _wait_for(node, 1)
    assert second["hash"] != first["hash"]
    assert int(second["maxFeePerGas"], 16) >= 200 * GWEI
    assert second["nonce"] == first["nonce"]
    node.mine()
    assert sent.result().tx_hash == second["hash"]
    assert sender.pending_count == 0
    assert "replaced" in caplog.messages


def test_send_that_waits_long_offers_an_eighth_more(node: Anvil, start: Start) -> None:
    sent = start(_sender(node.url))
    (first,) = _wait_for(node, 1)
    assert eventually(lambda: _pool(node)[0]["hash"] != first["hash"])
    (second,) = _pool(node)
    for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(second[fee], 16) * 8 >= int(first[fee], 16) * 9
    node.mine()
    assert sent.result().tx_hash == second["hash"]


@pytest.mark.parametrize(
    ("fault", "is_refused"),
    [(drop(), False), (error(-32000, "transaction pool is full"), True)],
    ids=["drop", "refuse"],
)
def test_send_whose_replacement_is_lost_takes_the_first_receipt(
    node: Anvil, start: Start, fault: Any, is_refused: bool
) -> None:
    with FaultyProxy(node.url) as proxy:
        sender = _sender(proxy.url)
        sent = start(sender)
        (first,) = _wait_for(node, 1)
        proxy.use(fault, methods={SEND})
        before = proxy.methods.count(SEND)
        # Again, or with more: the node takes neither.
        assert eventually(lambda: proxy.methods.count(SEND) >= before + 3)
        # One that was refused does not count as sent, so the fees do not creep up.
        nonce = int(first["nonce"], 16)
        only = [first["hash"]]
        if is_refused:
            assert eventually(lambda: _hashes(sender, nonce) == only)
        node.mine()
        assert sent.result().tx_hash == first["hash"]
        assert sender.pending_count == 0


def test_send_stuck_above_the_price_cap_waits_for_cheaper_gas(
    node: Anvil, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sender = _sender(node.url, max_fee_per_gas_wei=5 * GWEI)
    sent = start(sender)
    (first,) = _wait_for(node, 1)
    assert int(first["maxFeePerGas"], 16) <= 5 * GWEI
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(6 * GWEI))
    node.mine()
    assert eventually(lambda: "stuck at a limit" in caplog.messages)
    assert _pool(node) == []
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    node.mine()
    _wait_for(node, 1)
    node.mine()
    assert sent.result().gas_price <= 5 * GWEI


def test_send_when_gas_costs_more_than_the_cap_sends_nothing(node: Anvil) -> None:
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(6 * GWEI))
    node.mine()
    sender = _sender(node.url, max_fee_per_gas_wei=5 * GWEI)
    with pytest.raises(GasPriceTooHigh, match=f"{6 * GWEI} wei.*{5 * GWEI} wei"):
        sender.send(Call("gift", ACCOUNT.address, b""))
    assert _pool(node) == []
    assert sender.pending_count == 0


def test_send_that_the_node_forgot_is_sent_again(node: Anvil, start: Start) -> None:
    sent = start(_sender(node.url, replace_after_seconds=60))
    (first,) = _wait_for(node, 1)
    node.rpc("anvil_dropTransaction", first["hash"])
    assert _pool(node) == []
    assert _wait_for(node, 1) == [first]
    node.mine()
    assert sent.result().tx_hash == first["hash"]


@pytest.mark.parametrize("fault", [swallow(), drop()], ids=["swallow", "drop"])
def test_send_without_an_answer_is_mined_once(own_anvil: Anvil, fault: Any) -> None:
    with FaultyProxy(own_anvil.url) as proxy:
        sender = _sender(proxy.url)
        proxy.use(fault, methods={SEND}, times=1)
        result = sender.send(Call("gift", ACCOUNT.address, b""))
        web3 = connect(own_anvil.url)
        assert web3.eth.get_transaction_count(ACCOUNT.address) == 1
        assert web3.eth.block_number == result.block_number == 1


def test_send_whose_nonce_another_took_goes_again_with_the_next(
    node: Anvil, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sent = start(_sender(node.url, replace_after_seconds=60))
    (first,) = _wait_for(node, 1)
    node.rpc("anvil_dropTransaction", first["hash"])
    foreign: dict[str, Any] = {
        "type": 2,
        "chainId": node.chain_id,
        "nonce": int(first["nonce"], 16),
        "to": ACCOUNT.address,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 50 * GWEI,
        "maxPriorityFeePerGas": 10 * GWEI,
    }
    raw = ACCOUNT.sign_transaction(foreign).raw_transaction
    node.rpc(SEND, to_hex(raw))
    node.mine()
    (second,) = _wait_for(node, 1)
    assert int(second["nonce"], 16) == foreign["nonce"] + 1
    node.mine()
    assert sent.result().tx_hash == second["hash"]
    assert any("was taken" in message for message in caplog.messages)


def test_send_behind_a_stuck_one_of_another_thread_is_mined_too(
    node: Anvil, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    sender = _sender(node.url)
    sent = [start(sender)]
    _wait_for(node, 1)
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
    node.mine()
    sent.append(start(sender))
    (first, _) = _wait_for(node, 2)
    assert int(first["maxFeePerGas"], 16) >= 100 * GWEI
    node.mine()
    blocks = {each.result().block_number for each in sent}
    assert len(blocks) == 1
    assert sender.pending_count == 0
