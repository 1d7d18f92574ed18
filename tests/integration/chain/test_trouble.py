"""Nodes that are down, slow, behind, busy or broken, one of them or several."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from typing import Any

import pytest
from web3 import Web3

from devnet.processes.anvil import Anvil, development_account, local_chain
from protocol.chain.client import MarketClient
from protocol.chain.cursor import EventCursor
from protocol.chain.rpc import endpoint, provider
from protocol.chain.rpc.provider import connect
from protocol.errors import ConfigError, RpcRateLimited, RpcUnavailable
from protocol.market.events import StakeDeposited
from tests.support.faults.faulty_proxy import (
    FaultyProxy,
    drop,
    error,
    garbage,
    lag,
    rate_limit,
    slow,
    stall,
    status,
    wrong_ids,
)
from tests.support.network.chain import Stage

HEAD = "eth_blockNumber"
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def proxy(market: Stage) -> Iterator[FaultyProxy]:
    with FaultyProxy(market.anvil.url) as proxy:
        yield proxy


def _client(market: Stage, *urls: str) -> MarketClient:
    return MarketClient.connect(",".join(urls), market.deployment)


FAULTS = {
    "drop": drop(),
    "gateway": status(502),
    "garbage": garbage(),
    "wrong-ids": wrong_ids(),
    "rate-limit": rate_limit(),
    "rate-limit-in-words": error(-32000, "your app exceeded its rate limit"),
    "rate-limit-by-code": error(-32005, "slow down"),
    "not-a-quantity": garbage(b'{"jsonrpc":"2.0","id":1,"result":"zzz"}'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_read_that_fails_once_is_repeated(
    market: Stage, proxy: FaultyProxy, fault: Any
) -> None:
    client = _client(market, proxy.url)
    proxy.use(fault, times=2)
    proxy.forget()
    assert client.block_number() == market.client(None).block_number()
    assert proxy.methods == [HEAD] * 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_read_that_goes_on_failing_raises_after_three(
    market: Stage, proxy: FaultyProxy, fault: Any
) -> None:
    client = _client(market, proxy.url)
    proxy.use(fault)
    proxy.forget()
    with pytest.raises(RpcUnavailable, match=HEAD):
        client.block_number()
    assert proxy.methods == [HEAD] * 3


def test_a_read_that_is_refused_is_not_repeated(
    market: Stage, proxy: FaultyProxy
) -> None:
    client = _client(market, proxy.url)
    proxy.use(error(-32601, "the method does not exist"))
    proxy.forget()
    with pytest.raises(RpcUnavailable, match="does not exist"):
        client.block_number()
    assert proxy.methods == [HEAD]


@pytest.mark.parametrize(
    "words",
    [
        "query returned more than 10000 results",
        "block range is too wide",
        "Log response size exceeded",
    ],
)
def test_a_query_that_finds_too_much_is_no_rate_limit(
    market: Stage, proxy: FaultyProxy, words: str
) -> None:
    """Some providers have one code for both; waiting would not help here."""
    client = _client(market, proxy.url)
    proxy.use(error(-32005, words), methods={"eth_getLogs"}, times=1)
    proxy.forget()
    expected = market.client(None).events()
    assert client.events() == expected
    # The refusal and smaller parts, instead of the same again.
    assert proxy.methods.count("eth_getLogs") > 2


@pytest.mark.parametrize("fault", [drop(), rate_limit(), status(503)])
def test_a_transaction_is_never_repeated_by_the_connection(
    market: Stage, proxy: FaultyProxy, fault: Any
) -> None:
    web3 = connect(proxy.url)
    proxy.use(fault)
    with pytest.raises(RpcUnavailable):
        web3.eth.send_raw_transaction(b"\x02")
    assert proxy.methods == ["eth_sendRawTransaction"]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_node_that_says_how_long_to_wait_is_left_alone_so_long(
    market: Stage, proxy: FaultyProxy, form: str
) -> None:
    client = _client(market, proxy.url)
    # A date has whole seconds, so this is one to two of them.
    wait = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    proxy.use(rate_limit(wait), times=1)
    proxy.forget()
    started = time.monotonic()
    client.block_number()
    assert time.monotonic() - started >= 0.9
    assert proxy.methods == [HEAD] * 2


def test_a_node_that_wants_a_long_rest_is_not_asked_meanwhile(
    market: Stage, proxy: FaultyProxy
) -> None:
    client = _client(market, proxy.url)
    proxy.use(rate_limit("120"), times=1)
    proxy.forget()
    for _ in range(2):
        with pytest.raises(RpcRateLimited, match="1[12][0-9] s") as refusal:
            client.block_number()
        wait = refusal.value.retry_after_seconds
        assert wait is not None
        assert wait == pytest.approx(120, abs=10)
    assert proxy.methods == [HEAD]


def test_a_stalled_node_raises_within_the_time_limit(
    market: Stage, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = _client(market, proxy.url)
    monkeypatch.setattr(endpoint, "REQUEST_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(provider, "_PATIENCE_SECONDS", 0.2)
    proxy.use(stall())
    started = time.monotonic()
    with pytest.raises(RpcUnavailable, match="no answer within"):
        client.block_number()
    assert time.monotonic() - started < 5


def test_a_slow_node_is_waited_for(market: Stage, proxy: FaultyProxy) -> None:
    client = _client(market, proxy.url)
    proxy.use(slow(0.5), times=1)
    proxy.forget()
    client.block_number()
    assert proxy.methods == [HEAD]


# ------------------------------------------------------------------- several nodes


def test_several_urls_use_the_first_that_answers(
    market: Stage, proxy: FaultyProxy
) -> None:
    client = _client(market, NOBODY, proxy.url)
    assert client.block_number() == market.client(None).block_number()


def test_several_urls_come_back_to_the_first(
    market: Stage, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_AVOID_FAILING_SECONDS", 0.3)
    with FaultyProxy(market.anvil.url) as second:
        client = _client(market, proxy.url, second.url)
        proxy.use(drop())
        client.block_number()
        second.forget()
        client.block_number()
        # While the first is in doubt it is not even tried.
        assert second.methods == [HEAD]
        proxy.heal()
        time.sleep(0.4)
        proxy.forget()
        client.block_number()
        assert proxy.methods == [HEAD]
        assert second.methods == [HEAD]


def test_several_urls_that_all_fail_raise(market: Stage, proxy: FaultyProxy) -> None:
    client = _client(market, NOBODY, proxy.url)
    proxy.use(status(500))
    with pytest.raises(RpcUnavailable, match="HTTP status 500"):
        client.block_number()


def test_several_urls_of_two_chains_are_not_mixed(
    market: Stage, proxy: FaultyProxy, caplog: pytest.LogCaptureFixture
) -> None:
    with local_chain(chain_id=99) as foreign:
        client = _client(market, proxy.url, foreign.url)
        proxy.use(drop())
        with pytest.raises(RpcUnavailable):
            client.block_number()
        proxy.heal()
        assert client.block_number() > int(foreign.rpc(HEAD), 16)
    reasons = [vars(record).get("reason", "") for record in caplog.records]
    assert any("serves chain 99, the others serve 31337" in x for x in reasons)


def test_several_urls_send_by_the_second_when_the_first_is_down(
    market: Stage, proxy: FaultyProxy
) -> None:
    urls = f"{NOBODY},{proxy.url}"
    account = development_account(8)
    client = MarketClient.connect(urls, market.deployment, account)
    client.faucet(5)
    assert client.token_balance(client.address) == 5


@pytest.mark.parametrize("urls", ["", "http://a:1,", "http://a:1,ftp://b"])
def test_connect_to_a_list_with_another_kind_of_url_raises(urls: str) -> None:
    with pytest.raises(ConfigError, match="RPC URL"):
        connect(urls)


# ------------------------------------------------------------------- old heads


def test_a_head_that_went_back_once_is_asked_for_again(
    market: Stage, proxy: FaultyProxy
) -> None:
    client = _client(market, proxy.url)
    head = client.block_number()
    proxy.use(lag(2), methods={HEAD}, times=1)
    assert client.block_number() == head


def test_the_time_of_a_node_that_is_behind_does_not_go_back(
    market: Stage, proxy: FaultyProxy
) -> None:
    client = _client(market, proxy.url)
    market.anvil.skip(100)
    now = client.block_time()
    proxy.use(lag(1), methods={"eth_getBlockByNumber"}, times=1)
    assert client.block_time() == now


def test_a_head_that_stays_back_is_believed(market: Stage, proxy: FaultyProxy) -> None:
    client = _client(market, proxy.url)
    head = client.block_number()
    proxy.use(lag(2))
    proxy.forget()
    assert client.block_number() == head - 2
    assert client.block_number() == head - 2
    assert proxy.methods == [HEAD] * 4


def test_a_head_of_a_node_that_is_behind_is_taken_from_another(
    market: Stage, proxy: FaultyProxy
) -> None:
    with FaultyProxy(market.anvil.url) as second:
        client = _client(market, proxy.url, second.url)
        head = client.block_number()
        proxy.use(lag(3))
        assert client.block_number() == head
        assert HEAD in second.methods


def test_a_block_that_a_node_lacks_is_asked_for_again(
    market: Stage, proxy: FaultyProxy
) -> None:
    client = _client(market, proxy.url)
    seat = client.seat_of(1, block=client.block_number())
    proxy.use(lag(1), methods={"eth_call"}, times=2)
    assert client.seat_of(1, block=client.block_number()) == seat


def test_poll_of_a_node_that_is_behind_loses_and_repeats_nothing(
    own_anvil: Anvil,
) -> None:
    """The head comes from one node, the logs from another that lacks the last block."""
    market = Stage.deploy(own_anvil)
    depositor = market.client(5)
    depositor.faucet(1_000)
    depositor.approve(1_000)
    amounts: list[int] = []

    def poll(cursor: EventCursor) -> None:
        batch = cursor.poll()
        assert batch.rewound_to is None
        amounts.extend(
            log.event.amount
            for log in batch.logs
            if isinstance(log.event, StakeDeposited)
        )

    with FaultyProxy(own_anvil.url) as proxy:
        client = _client(market, proxy.url)
        cursor = EventCursor(client, start_block=market.deployment.block_number)
        for amount in range(1, 6):
            depositor.deposit(amount)
            proxy.use(lag(amount % 3), methods={"eth_getLogs"})
            with suppress(RpcUnavailable):  # when it is noticed
                poll(cursor)
            proxy.heal()
            proxy.use(lag(1))
            poll(cursor)
            proxy.heal()
        poll(cursor)
    assert amounts == [1, 2, 3, 4, 5]


def test_poll_over_a_connection_that_drops_everything_goes_on_later(
    own_anvil: Anvil,
) -> None:
    market = Stage.deploy(own_anvil)
    depositor = market.client(5)
    depositor.faucet(1_000)
    depositor.approve(1_000)
    with FaultyProxy(own_anvil.url) as proxy:
        client = _client(market, proxy.url)
        cursor = EventCursor(client, start_block=market.deployment.block_number)
        cursor.poll()
        depositor.deposit(3)
        for method in ("eth_blockNumber", "eth_getBlockByNumber", "eth_getLogs"):
            proxy.use(drop(), methods={method})
            with pytest.raises(RpcUnavailable):
                cursor.poll()
            proxy.heal()
        (log,) = cursor.poll().logs
    assert log.event == StakeDeposited(Web3.to_checksum_address(depositor.address), 3)
