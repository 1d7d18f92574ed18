"""Headers rebuilt from JSON-RPC are those that were hashed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_utils.crypto import keccak

from devnet.processes.anvil import local_chain
from protocol.chain.client import MarketClient
from protocol.errors import ChainError, RpcUnavailable
from protocol.hexadecimal import to_hex
from tests.support.machines.rpc_server import Answer, forward_to, rpc_server
from tests.support.network.chain import Stage


@pytest.mark.parametrize("hardfork", ["cancun", "prague", "osaka"])
def test_seed_header_of_a_hardfork_hashes_to_the_block(hardfork: str) -> None:
    with local_chain("--hardfork", hardfork) as node:
        market = Stage.deploy(node)
        client = market.client(1)
        client.faucet(1)
        node.mine(2)
        for number in range(client.block_number() + 1):
            header = client.seed_header(number)
            assert to_hex(keccak(header)) == client.block_hash(number)


def test_seed_header_of_a_future_block_raises_rpc_unavailable(market: Stage) -> None:
    client = market.client(None)
    with pytest.raises(RpcUnavailable, match="does not have block"):
        client.seed_header(client.block_number() + 1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"gasUsed": "0x1"}, ChainError, "hashes to"),
        ({"requestsHash": None}, ChainError, "newer fork"),
        ({"gasUsed": 5}, RpcUnavailable, "gasUsed is 5"),
        ({"stateRoot": None}, RpcUnavailable, "stateRoot is None"),
        ({"stateRoot": "0xzz"}, RpcUnavailable, "malformed block"),
    ],
)
def test_seed_header_from_a_node_that_lies_raises(
    market: Stage, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    forward = forward_to(market.anvil.url)

    def lie(request: dict[str, Any]) -> Answer:
        status, body = forward(request)
        if request["method"] != "eth_getBlockByNumber":
            return status, body
        answer = json.loads(body)
        answer["result"].update(change)
        return status, json.dumps(answer).encode()

    with rpc_server(lie) as url:
        client = MarketClient.connect(url, market.deployment)
        with pytest.raises(error, match=message):
            client.seed_header(client.block_number())
