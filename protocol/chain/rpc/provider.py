"""The connection to a chain: one node or several, asked until one answers.

Reading is repeated, with pauses that grow, when a node fails, is asked too often or
lacks a block; with several URLs the next one is asked first. Sending is never repeated
here: whoever sends knows whether the same bytes can be sent again.

No filters or subscriptions are used, which nodes drop; events are polled by range.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json
from web3 import Web3
from web3.providers import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from protocol.chain.rpc.endpoint import Endpoint, RpcRefusal
from protocol.errors import ConfigError, RpcRateLimited, RpcUnavailable

__all__ = ["connect", "request"]

_log = logging.getLogger(__name__)

_ROUNDS = 3
# No further attempt begins after so long.
_PATIENCE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.1
_PAUSE_FACTOR = 4
# How long another URL is preferred to one that failed, that is behind, or that serves
# another chain.
_AVOID_FAILING_SECONDS = 10.0
_AVOID_STALE_SECONDS = 2.0
_AVOID_FOREIGN_SECONDS = 300.0
# How often a node that says its chain got shorter is asked again, and after how long.
_HEAD_CHECKS = 2
_HEAD_PAUSE_SECONDS = 0.05

# Asking these twice is the same as once.
_REPEATABLE = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
    }
)


def connect(rpc_url: str | Sequence[str]) -> Web3:
    """A web3 object for a chain; sends nothing yet.

    Args:
        rpc_url: `http://` or `https://` URL of a JSON-RPC endpoint; several in a
            sequence or with commas between them, the one to prefer first.

    Raises:
        ConfigError: One is another kind of URL.
    """
    given = rpc_url.split(",") if isinstance(rpc_url, str) else rpc_url
    endpoints = [Endpoint(url.strip()) for url in given]
    if not endpoints:
        raise ConfigError("no RPC URL: give one such as http://127.0.0.1:8545")
    # No middleware: names are not resolved, and results need no wrapping.
    return Web3(_Provider(endpoints), middleware=[])


def request(web3: Web3, method: str, *params: Any) -> Any:
    """One JSON-RPC call, its result as the node wrote it."""
    return web3.manager.request_blocking(RPCEndpoint(method), list(params))


@dataclass(slots=True)
class _Node:
    """An endpoint and what is known of it; times are those of the monotonic clock."""

    endpoint: Endpoint
    avoid_until: float = 0.0
    # It asked for this much rest, and gets it.
    rests_until: float = 0.0
    is_checked: bool = False


@dataclass(frozen=True, slots=True)
class _Question:
    method: str
    params: Any
    body: bytes
    request_id: int


class _Provider(HTTPProvider):
    # A revert must never make us fetch a URL of the contract's choice (EIP-3668).
    global_ccip_read_enabled = False

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        super().__init__(str(endpoints[0]), exception_retry_configuration=None)
        self._nodes = [_Node(endpoint) for endpoint in endpoints]
        self._chain_id: str | None = None
        self._highest = 0
        self._id_lock = threading.Lock()

    def __str__(self) -> str:
        return f"RPC connection {self._nodes[0].endpoint}"

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        question = self._question(method, params)
        if method not in _REPEATABLE:
            return self._ask_once(question)
        response = self._ask_repeatedly(question)
        height = _height(question, response)
        if height is None:
            return response
        return self._longest_chain(question, response, height)

    def _question(self, method: RPCEndpoint, params: Any) -> _Question:
        with self._id_lock:
            body = self.encode_rpc_request(method, params)
        return _Question(method, params, body, int(from_json(body)["id"]))

    # Repeating

    def _ask_once(self, question: _Question) -> RPCResponse:
        node = next(self._usable(), None)
        if node is None:
            raise self._all_resting(question)
        return self._ask_node(node, question)

    def _ask_repeatedly(self, question: _Question) -> RPCResponse:
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        for attempt in range(_ROUNDS):
            failure = None
            for node in list(self._usable()):
                try:
                    return self._ask_node(node, question)
                except RpcUnavailable as error:
                    if isinstance(error, RpcRefusal) and not error.is_behind:
                        raise
                    failure = error
            last = failure or self._all_resting(question)
            pause = max(_pause(attempt), self._rest_seconds())
            if attempt + 1 == _ROUNDS or time.monotonic() + pause > give_up_at:
                raise last
            time.sleep(pause)
        raise AssertionError("the last round returns or raises")

    def _ask_node(self, node: _Node, question: _Question) -> RPCResponse:
        try:
            self._check_chain(node)
            endpoint = node.endpoint
            return endpoint.ask(question.method, question.body, question.request_id)
        except RpcRateLimited as error:
            wait = error.retry_after_seconds
            now = time.monotonic()
            node.rests_until = now if wait is None else now + wait
            self._avoid(node, _AVOID_FAILING_SECONDS, error)
            raise
        except RpcRefusal as error:
            if error.is_behind:
                self._avoid(node, _AVOID_STALE_SECONDS, error)
            raise
        except RpcUnavailable as error:
            self._avoid(node, _AVOID_FAILING_SECONDS, error)
            raise

    # Choosing

    def _usable(self) -> Iterator[_Node]:
        """Endpoints to ask now: those without trouble first, in the order given."""
        now = time.monotonic()
        awake = [node for node in self._nodes if node.rests_until <= now]
        yield from (node for node in awake if node.avoid_until <= now)
        yield from (node for node in awake if node.avoid_until > now)

    def _avoid(self, node: _Node, seconds: float, reason: Exception) -> None:
        now = time.monotonic()
        if node.avoid_until <= now and len(self._nodes) > 1:
            _log.warning(
                "rpc in trouble",
                extra={"rpc": str(node.endpoint), "reason": str(reason)},
            )
        node.avoid_until = max(node.avoid_until, now + seconds)

    def _rest_seconds(self) -> float:
        """Seconds until the first endpoint may be asked again."""
        first = min(node.rests_until for node in self._nodes)
        return max(first - time.monotonic(), 0.0)

    def _all_resting(self, question: _Question) -> RpcRateLimited:
        rest = self._rest_seconds()
        names = ", ".join(str(node.endpoint) for node in self._nodes)
        return RpcRateLimited(
            f"RPC {names}: {question.method}: rate limit: asked to wait another "
            f"{rest:.0f} s",
            rest,
        )

    def _check_chain(self, node: _Node) -> None:
        """Never mix two chains; whether it is the right one, the caller checks."""
        if node.is_checked or len(self._nodes) == 1:
            return
        question = self._question(RPCEndpoint("eth_chainId"), [])
        answer = node.endpoint.ask(question.method, question.body, question.request_id)
        chain_id = str(answer.get("result"))
        self._chain_id = self._chain_id or chain_id
        if chain_id != self._chain_id:
            node.rests_until = time.monotonic() + _AVOID_FOREIGN_SECONDS
            raise RpcUnavailable(
                f"RPC {node.endpoint} serves chain {int(chain_id, 16)}, the others "
                f"serve {int(self._chain_id, 16)}: give URLs of one chain"
            )
        node.is_checked = True

    # Heads

    def _longest_chain(
        self, question: _Question, response: RPCResponse, height: int
    ) -> RPCResponse:
        """The answer of the node with the longest chain, when a chain got shorter.

        A node behind a load balancer may be blocks behind another: only if none knows
        better, the chain is taken to be shorter.
        """
        for _ in range(_HEAD_CHECKS):
            if height >= self._highest:
                break
            # Another one first, if there is another.
            stale = next(self._usable(), self._nodes[0])
            stale.avoid_until = time.monotonic() + _AVOID_STALE_SECONDS
            time.sleep(_HEAD_PAUSE_SECONDS)
            again = self._ask_repeatedly(question)
            found = _height(question, again)
            if found is not None and found > height:
                response, height = again, found
        if height < self._highest:
            _log.warning("head went back", extra={"from": self._highest, "to": height})
        self._highest = height
        return response


def _pause(attempt: int) -> float:
    """Seconds before the next round; varied, so that many clients spread."""
    longest = float(_FIRST_PAUSE_SECONDS * _PAUSE_FACTOR**attempt)
    return longest * random.uniform(0.5, 1.0)


def _height(question: _Question, response: RPCResponse) -> int | None:
    """Number of the newest block by an answer that says it; None if it does not."""
    result: Any = response.get("result")
    if question.method == "eth_blockNumber":
        return int(result, 16)
    is_latest = question.method == "eth_getBlockByNumber" and (
        question.params[0] == "latest"
    )
    if is_latest and isinstance(result, dict):
        number = result.get("number")
        return int(number, 16) if isinstance(number, str) else None
    return None
