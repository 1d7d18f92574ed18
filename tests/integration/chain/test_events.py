"""Ranges of logs, and nodes that limit them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.chain.client import MarketClient
from protocol.errors import RpcUnavailable
from protocol.market.events import JobPosted, StakeDeposited, Withdrawn
from tests.support.faults.faulty_proxy import FaultyProxy, Reply, Turn, status
from tests.support.machines.rpc_server import Answer, forward_to, rpc_server
from tests.support.market.values import a_job
from tests.support.network.chain import Stage


@pytest.fixture
def depositor(market: Stage) -> MarketClient:
    """Has deposited 1, 2, 3, 4 and 5 units, some empty blocks apart."""
    client = market.client(5)
    client.faucet(100)
    client.approve(100)
    for amount in range(1, 6):
        client.deposit(amount)
        market.anvil.mine(3)
    return client


def _amounts(client: MarketClient, **filters: Any) -> list[int]:
    logs = client.events(**filters)
    return [log.event.amount for log in logs if isinstance(log.event, StakeDeposited)]


def test_events_of_everything_come_in_order(depositor: MarketClient) -> None:
    assert _amounts(depositor) == [1, 2, 3, 4, 5]


def test_events_of_a_range_include_both_ends(depositor: MarketClient) -> None:
    blocks = [log.block_number for log in depositor.events()]
    found = _amounts(depositor, from_block=blocks[1], to_block=blocks[3])
    assert found == [2, 3, 4]
    assert _amounts(depositor, from_block=blocks[3], to_block=blocks[1]) == []
    future = depositor.block_number() + 1
    assert _amounts(depositor, from_block=future) == []


def test_events_of_kinds_leave_others_out(depositor: MarketClient) -> None:
    assert _amounts(depositor, kinds=(StakeDeposited,)) == [1, 2, 3, 4, 5]
    assert depositor.events(kinds=(Withdrawn, JobPosted)) == []
    assert depositor.events(kinds=()) == []


def test_events_of_another_job_are_none(depositor: MarketClient) -> None:
    job_id = depositor.job_id_of(a_job())
    assert depositor.events(job_id=job_id) == []
    # Deposits belong to no job.
    assert depositor.events(job_id=job_id, kinds=(StakeDeposited,)) == []


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_events_from_a_node_with_a_limit_are_complete(
    market: Stage, depositor: MarketClient, limit: int
) -> None:
    asked: list[int] = []
    with rpc_server(_limited(market.anvil.url, limit, asked)) as url:
        client = MarketClient.connect(url, market.deployment)
        assert _amounts(client) == [1, 2, 3, 4, 5]
        first = len([size for size in asked if size > limit])
        assert 1 <= first <= max(asked).bit_length() + 1
        asked.clear()
        # What was learnt is remembered.
        assert _amounts(client) == [1, 2, 3, 4, 5]
        assert len([size for size in asked if size > limit]) <= 1


def test_events_from_a_node_that_refuses_any_range_raise(
    market: Stage, depositor: MarketClient
) -> None:
    with rpc_server(_limited(market.anvil.url, 0, [])) as url:
        client = MarketClient.connect(url, market.deployment)
        with pytest.raises(RpcUnavailable, match="range too large"):
            client.events()


def test_events_from_a_node_that_is_down_are_not_asked_for_in_parts(
    market: Stage,
) -> None:
    with FaultyProxy(market.anvil.url) as proxy:
        client = MarketClient.connect(proxy.url, market.deployment)
        proxy.use(status(502), methods={"eth_getLogs"})
        with pytest.raises(RpcUnavailable, match="HTTP status 502"):
            client.events()
        assert proxy.methods.count("eth_getLogs") == 3


@pytest.mark.parametrize("place", ["outside", "other-hash"])
def test_events_that_were_not_asked_for_raise(
    market: Stage, depositor: MarketClient, place: str
) -> None:
    """A provider's cache that answers another question must not lose or add any."""

    def lie(turn: Turn) -> Reply:
        reply = turn.forward(turn.request)
        logs = reply.json["result"]
        for log in logs:
            if place == "outside":
                log["blockNumber"] = hex(10_000)
            else:
                log["blockHash"] = "0x" + "ab" * 32
        return turn.answer(logs)

    head = depositor.events()[-1].block_number
    with FaultyProxy(market.anvil.url) as proxy:
        client = MarketClient.connect(proxy.url, market.deployment)
        proxy.use(lie, methods={"eth_getLogs"})
        with pytest.raises(RpcUnavailable, match="the node returned one of block"):
            client.events(to_block=head)


def _limited(url: str, limit: int, asked: list[int]) -> Any:
    forward = forward_to(url)

    def answer(request: dict[str, Any]) -> Answer:
        if request["method"] == "eth_getLogs":
            query = request["params"][0]
            size = int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1
            asked.append(size)
            if size > limit:
                error = {"code": -32005, "message": "range too large"}
                body = {"jsonrpc": "2.0", "id": request["id"], "error": error}
                return 200, json.dumps(body).encode()
        return forward(request)

    return answer
