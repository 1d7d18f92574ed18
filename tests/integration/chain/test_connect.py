"""What connecting checks, and what becomes of a node that fails."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocol.chain.client import MarketClient
from protocol.chain.rpc import endpoint
from protocol.errors import ConfigError, NoContract, RpcUnavailable, WrongChain
from tests.support.machines.rpc_server import Answer, forward_to, rpc_server
from tests.support.network.chain import Stage


def test_connect_to_another_chain_names_both(market: Stage) -> None:
    deployment = replace(market.deployment, chain_id=1)
    with pytest.raises(WrongChain, match=r"chain 31337.*chain 1\b"):
        MarketClient.connect(market.anvil.url, deployment)


@pytest.mark.parametrize("name", ["marketplace", "registry", "token"])
def test_connect_without_a_contract_names_it(market: Stage, name: str) -> None:
    nobody = "0x00000000000000000000000000000000DeaDBeef"
    changes: dict[str, Any] = {name: nobody}
    deployment = replace(market.deployment, **changes)
    with pytest.raises(NoContract, match=f"no {name} at {nobody}"):
        MarketClient.connect(market.anvil.url, deployment)


def test_connect_to_other_code_raises_no_contract(market: Stage) -> None:
    hashes = {**market.deployment.code_hashes, "registry": "0x" + "ab" * 32}
    deployment = replace(market.deployment, code_hashes=hashes)
    with pytest.raises(NoContract, match="code of the registry"):
        MarketClient.connect(market.anvil.url, deployment)


def test_connect_to_a_market_of_another_token_raises_config_error(
    market: Stage,
) -> None:
    other = Stage.deploy(market.anvil).deployment
    deployment = replace(market.deployment, token=other.token, code_hashes={})
    with pytest.raises(ConfigError, match="names the token"):
        MarketClient.connect(market.anvil.url, deployment)


def test_connect_to_a_market_that_is_something_else_raises(market: Stage) -> None:
    token = market.deployment.token
    deployment = replace(market.deployment, marketplace=token, code_hashes={})
    with pytest.raises(Exception) as failure:
        MarketClient.connect(market.anvil.url, deployment)
    assert type(failure.value).__module__ == "protocol.errors"


@pytest.mark.parametrize("url", ["", "localhost:8545", "ws://localhost:1", "http://"])
def test_connect_with_another_kind_of_url_raises_config_error(
    market: Stage, url: str
) -> None:
    with pytest.raises(ConfigError, match="RPC URL"):
        MarketClient.connect(url, market.deployment)


def test_connect_with_nothing_listening_masks_the_url(market: Stage) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        url = f"http://user:hunter2@127.0.0.1:{port}/v3/secret?key=secret"
        with pytest.raises(RpcUnavailable, match="cannot connect") as failure:
            MarketClient.connect(url, market.deployment)
    assert f"http://***@127.0.0.1:{port}/***" in str(failure.value)
    assert "hunter2" not in str(failure.value)
    assert "secret" not in str(failure.value)
    # Nor does the traceback show a cause that holds the URL.
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__


def _answer(**fields: Any) -> Callable[[dict[str, Any]], Answer]:
    def answer(request: dict[str, Any]) -> Answer:
        body = {"jsonrpc": "2.0", "id": request["id"], **fields}
        return 200, json.dumps(body).encode()

    return answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda request: (500, b"oops"), "HTTP status 500"),
        (lambda request: (200, b"<html>"), "no JSON-RPC answer"),
        (lambda request: (200, b"[" * 100_000), "no JSON-RPC answer"),
        (lambda request: (200, b"null"), "no JSON-RPC answer"),
        (lambda request: (400, b"{}"), "HTTP status 400"),
        (lambda request: (302, b""), "HTTP status 302"),
        (lambda request: (429, b'{"error":{"message":"slow down"}}'), "slow down"),
        (_answer(error="down for repair"), "down for repair"),
        (_answer(error={"code": -32000, "message": "no disk"}), "no disk"),
        (_answer(result="zzz"), "malformed result"),
        (_answer(result=None), "malformed result"),
        (_answer(result=[]), "malformed result"),
    ],
)
def test_a_node_that_fails_raises_rpc_unavailable(
    market: Stage, answer: Callable[[dict[str, Any]], Answer], message: str
) -> None:
    with (
        rpc_server(answer) as url,
        pytest.raises(RpcUnavailable, match=message) as failure,
    ):
        MarketClient.connect(url, market.deployment)
    assert failure.value.is_retryable
    assert "eth_chainId" in str(failure.value)


def test_a_node_that_never_answers_raises_after_the_timeout(
    market: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "REQUEST_TIMEOUT_SECONDS", 0.2)
    is_over = threading.Event()

    def never(request: dict[str, Any]) -> Answer:
        is_over.wait(30)
        return 200, b""

    with rpc_server(never) as url:
        with pytest.raises(RpcUnavailable, match="no answer within"):
            MarketClient.connect(url, market.deployment)
        is_over.set()


def test_a_node_that_answers_without_end_is_cut_off(
    market: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_MAX_RESPONSE_BYTES", 1_000)
    with (
        rpc_server(lambda request: (200, b" " * 100_000)) as url,
        pytest.raises(RpcUnavailable, match="above 1000 bytes"),
    ):
        MarketClient.connect(url, market.deployment)


def test_a_contract_that_asks_to_fetch_a_url_is_not_obeyed(market: Stage) -> None:
    """EIP-3668 would let a revert choose a URL that web3 then requests."""
    forward = forward_to(market.anvil.url)
    offchain_lookup = "0x556f1830" + "00" * 160

    def answer(request: dict[str, Any]) -> Answer:
        if request["method"] != "eth_call":
            return forward(request)
        error = {"code": 3, "message": "execution reverted", "data": offchain_lookup}
        return _answer(error=error)(request)

    with rpc_server(answer) as url, pytest.raises(Exception) as failure:
        MarketClient.connect(url, market.deployment)
    assert getattr(failure.value, "name", None) == "UnknownError"
