"""What a sender may spend, and when it warns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from devnet.processes.anvil import Anvil, development_account
from protocol.chain.rpc.provider import connect
from protocol.chain.transactions.fees import fetch_quote
from protocol.chain.transactions.options import SenderOptions
from protocol.chain.transactions.sender import Call, Sender
from protocol.errors import NotEnoughFunds, SpendingCapReached
from tests.support.faults.faulty_proxy import FaultyProxy
from tests.support.network.chain import Stage

ACCOUNT = development_account(8)
WARNING = "gas balance low"


class Heard:
    """An observer that notes everything."""

    def __init__(self) -> None:
        self.mined: list[tuple[str, int, int]] = []
        self.low: list[bool] = []

    def transaction_mined(self, call: str, gas_used: int, gas_price_wei: int) -> None:
        self.mined.append((call, gas_used, gas_price_wei))

    def set_gas_is_low(self, is_low: bool) -> None:
        self.low.append(is_low)


def _gift() -> Call:
    return Call("gift", ACCOUNT.address, b"")


def _max_cost(url: str) -> int:
    """Most that a gift may cost, as the sender counts it."""
    quote = fetch_quote(connect(url))
    return 26_250 * (2 * quote.base_fee + quote.priority_fee)


def test_send_beyond_the_daily_cap_sends_nothing(market: Stage) -> None:
    with FaultyProxy(market.anvil.url) as proxy:
        cap = 2 * _max_cost(proxy.url)
        options = SenderOptions(max_gas_wei_per_day=cap)
        sender = Sender(connect(proxy.url), ACCOUNT, options=options)
        spent, sent = 0, 0
        with pytest.raises(SpendingCapReached) as refusal:
            while sent < 20:
                result = sender.send(_gift())
                sent += 1
                spent += result.gas_used * result.gas_price
                assert sender.spent_in_a_day() == spent
        # The base fee may fall meanwhile, so that more fit.
        assert sent >= 2
        assert f"spent {spent} wei" in str(refusal.value)
        assert f"max_gas_wei_per_day, {cap}" in str(refusal.value)
        assert refusal.value.is_retryable
        assert proxy.methods.count("eth_sendRawTransaction") == sent
        assert spent <= cap


def test_send_after_a_restart_remembers_what_was_spent(
    market: Stage, tmp_path: Path
) -> None:
    options = SenderOptions(
        max_gas_wei_per_day=_max_cost(market.anvil.url) * 3,
        outbox_path=tmp_path / "outbox.sqlite",
    )
    first = Sender(connect(market.anvil.url), ACCOUNT, options=options)
    first.send(_gift())
    first.send(_gift())
    second = Sender(connect(market.anvil.url), ACCOUNT, options=options)
    assert second.spent_in_a_day() == first.spent_in_a_day() > 0
    sent = 0
    with pytest.raises(SpendingCapReached):
        while sent < 9:
            second.send(_gift())
            sent += 1
    # Alone it could have sent three at least.
    assert sent < 5


def test_send_that_is_stuck_is_not_replaced_beyond_the_daily_cap(
    own_anvil: Anvil, caplog: pytest.LogCaptureFixture
) -> None:
    options = SenderOptions(
        max_gas_wei_per_day=_max_cost(own_anvil.url),
        replace_after_seconds=0.5,
        receipt_timeout_seconds=30,
    )
    own_anvil.rpc("evm_setAutomine", False)
    own_anvil.rpc("evm_setIntervalMining", 4)
    with FaultyProxy(own_anvil.url) as proxy:
        Sender(connect(proxy.url), ACCOUNT, options=options).send(_gift())
    assert "stuck at a limit" in caplog.messages
    assert "replaced" not in caplog.messages


def test_send_with_little_money_left_warns_once(
    own_anvil: Anvil, caplog: pytest.LogCaptureFixture
) -> None:
    max_cost = _max_cost(own_anvil.url)
    heard = Heard()
    sender = Sender(
        connect(own_anvil.url), ACCOUNT, options=SenderOptions(observer=heard)
    )
    sender.send(_gift())
    assert WARNING not in caplog.messages
    own_anvil.rpc("anvil_setBalance", ACCOUNT.address, hex(15 * max_cost))
    sender.send(_gift())
    sender.send(_gift())
    assert caplog.messages.count(WARNING) == 1
    own_anvil.rpc("anvil_setBalance", ACCOUNT.address, hex(10**18))
    sender.send(_gift())
    own_anvil.rpc("anvil_setBalance", ACCOUNT.address, hex(1))
    with pytest.raises(NotEnoughFunds):
        sender.send(_gift())
    assert caplog.messages.count(WARNING) == 2
    assert heard.low == [False, True, True, False, True]
    assert [call for call, _, _ in heard.mined] == ["gift"] * 4


def test_send_below_the_set_balance_warns(
    market: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    options = SenderOptions(low_balance_wei=10**19)
    rich = Sender(connect(market.anvil.url), ACCOUNT, options=options)
    rich.send(_gift())
    assert WARNING not in caplog.messages
    low = replace(options, low_balance_wei=10**23)
    Sender(connect(market.anvil.url), ACCOUNT, options=low).send(_gift())
    assert WARNING in caplog.messages


def test_balance_of_an_account_is_its_money_for_gas(market: Stage) -> None:
    account = Account.create()
    market.anvil.rpc("anvil_setBalance", account.address, hex(12_345))
    client = market.client(None)
    assert Sender(connect(market.anvil.url), account).balance() == 12_345
    assert client.balance(account.address) == 12_345
