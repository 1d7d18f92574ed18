"""Sending: simulation, nonces, fees, waiting, and transactions that fail when mined."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from eth_account import Account
from eth_utils.crypto import keccak
from web3.eth import Eth

from devnet.processes.anvil import Anvil, development_account, local_chain
from protocol.chain.client import MarketClient
from protocol.chain.rpc.provider import connect
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.sender import Call, Sender
from protocol.errors import ContractReverted, NotEnoughFunds, TransactionDropped
from protocol.hexadecimal import from_hex, to_hex
from tests.support.network.chain import Stage

TARGET = "0x00000000000000000000000000000000DeaDBeef"


def _reverting_code(data: bytes) -> str:
    """Code that copies what follows it to memory and reverts with it."""
    size = len(data).to_bytes(2)
    head = b"\x61" + size + b"\x60\x0e\x60\x00\x39\x61" + size + b"\x60\x00\xfd"
    assert len(head) == 0x0E
    return to_hex(head + data)


@pytest.mark.parametrize(
    ("data", "name", "arguments"),
    [
        (b"", "NoReason", ()),
        (bytes.fromhex("4e487b71") + (0x11).to_bytes(32), "Panic", (0x11,)),
        # A code that Solidity does not define.
        (bytes.fromhex("4e487b71") + (0xEE).to_bytes(32), "Panic", (0xEE,)),
        (
            bytes.fromhex("08c379a0")
            + (32).to_bytes(32)
            + (3).to_bytes(32)
            + b"why".ljust(32, b"\0"),
            "Error",
            ("why",),
        ),
        (b"\xde\xad\xbe\xef\x01", "UnknownError", (b"\xde\xad\xbe\xef\x01",)),
        # A known selector with arguments cut short.
        (b"\x4e\x48\x7b\x71\x00", "UnknownError", (b"\x4e\x48\x7b\x71\x00",)),
    ],
    ids=["nothing", "panic", "odd-panic", "string", "unknown", "cut-short"],
)
def test_send_to_a_contract_that_reverts_decodes_the_reason(
    anvil: Anvil, data: bytes, name: str, arguments: tuple[object, ...]
) -> None:
    anvil.rpc("anvil_setCode", TARGET, _reverting_code(data))
    sender = Sender(connect(anvil.url), development_account(8))
    with pytest.raises(ContractReverted) as refusal:
        sender.send(Call("anything", TARGET, b""))  # type: ignore[arg-type]
    assert (refusal.value.name, refusal.value.arguments) == (name, arguments)


def test_send_from_an_empty_account_names_balance_and_need(market: Stage) -> None:
    account = Account.create()
    client = MarketClient.connect(market.anvil.url, market.deployment, account)
    with pytest.raises(NotEnoughFunds, match=f"{account.address} has 0 wei.*need"):
        client.faucet(1)


def test_send_value_that_the_account_lacks_raises_not_enough_funds(
    anvil: Anvil,
) -> None:
    account = Account.create()
    anvil.rpc("anvil_setBalance", account.address, hex(10**18))
    sender = Sender(connect(anvil.url), account)
    friend = Account.create().address
    with pytest.raises(NotEnoughFunds):
        sender.send(Call("gift", friend, b""), value=10**18)
    sender.send(Call("gift", friend, b""), value=10**17)
    assert connect(anvil.url).eth.get_balance(friend) == 10**17


def test_send_from_many_threads_and_clients_of_one_key_loses_none(
    market: Stage,
) -> None:
    clients = [market.client(8) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: clients[i % 4].faucet(1), range(16)))
    assert len({result.tx_hash for result in results}) == 16
    assert clients[0].token_balance(clients[0].address) == 16


def test_send_with_a_nonce_that_was_taken_uses_the_next(
    market: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = market.client(8)
    client.faucet(1)
    truth = Eth.get_transaction_count
    answers: list[int] = []

    def stale_once(eth: Eth, address: object, block: object = None) -> int:
        actual = int(truth(eth, address, block))  # type: ignore[arg-type]
        answers.append(actual if answers else actual - 1)
        return answers[-1]

    monkeypatch.setattr(Eth, "get_transaction_count", stale_once)
    client.faucet(1)
    assert answers == [answers[1] - 1, answers[1]]
    assert client.token_balance(client.address) == 2


def test_send_that_is_not_mined_in_time_raises_transaction_dropped(
    own_anvil: Anvil,
) -> None:
    own_anvil.rpc("evm_setAutomine", False)
    account = development_account(0)
    options = SenderOptions(receipt_timeout_seconds=0.2)
    sender = Sender(connect(own_anvil.url), account, options=options)
    with pytest.raises(TransactionDropped, match="0x[0-9a-f]{64}.*0.2 s"):
        sender.send(Call("gift", account.address, b""))


def test_send_simulates_on_top_of_what_is_not_mined_yet(own_anvil: Anvil) -> None:
    """The second transaction is possible only after the first, still pending one."""
    market = Stage.deploy(own_anvil)
    client = market.client(5)
    client.faucet(100)
    own_anvil.rpc("evm_setAutomine", False)
    with ThreadPoolExecutor(2) as pool:
        approved = pool.submit(client.approve, 100)
        _wait_for_pending(own_anvil, 1)
        deposited = pool.submit(client.deposit, 100)
        _wait_for_pending(own_anvil, 2)
        own_anvil.mine()
        assert approved.result().block_number == deposited.result().block_number
    assert client.account_of(client.address).credit == 100


def test_send_that_fails_when_mined_decodes_the_reason(own_anvil: Anvil) -> None:
    market = Stage.deploy(own_anvil)
    client = market.client(5)
    client.faucet(100)
    client.approve(100)
    own_anvil.rpc("evm_setAutomine", False)
    with ThreadPoolExecutor(1) as pool:
        deposited = pool.submit(client.deposit, 100)
        _wait_for_pending(own_anvil, 1)
        # Balances are OpenZeppelin's first storage variable.
        slot = keccak(from_hex(client.address).rjust(32, b"\0") + bytes(32))
        token = market.deployment.token
        own_anvil.rpc("anvil_setStorageAt", token, to_hex(slot), "0x" + "00" * 32)
        assert client.token_balance(client.address) == 0
        own_anvil.mine()
        with pytest.raises(ContractReverted) as refusal:
            deposited.result()
    assert refusal.value.name == "ERC20InsufficientBalance"
    assert refusal.value.arguments == (client.address, 0, 100)


def test_writes_with_a_block_each_second_succeed() -> None:
    with local_chain("--block-time", "1") as node:
        market = Stage.deploy(node)
        client = market.client(5)
        client.faucet(100)
        client.approve(100)
        client.deposit(100)
        assert client.account_of(client.address).credit == 100


def _wait_for_pending(anvil: Anvil, count: int) -> None:
    """Until the node holds that many transactions that are not mined."""
    deadline = time.monotonic() + 20
    pause = threading.Event()
    while int(anvil.rpc("txpool_status")["pending"], 16) < count:
        assert time.monotonic() < deadline, f"{count} transactions never arrived"
        pause.wait(0.01)
