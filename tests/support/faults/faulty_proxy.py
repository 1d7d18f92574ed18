"""A proxy before a real node that misbehaves as providers of nodes do.

It passes everything on until a fault is put in with `use`, and again after `heal`:

    with FaultyProxy(anvil.url) as proxy:
        proxy.use(rate_limit(retry_after=1), methods={"eth_getLogs"}, times=2)
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.support.machines.http_server import QuietHandler, serving

__all__ = [
    "Fault",
    "FaultyProxy",
    "Reply",
    "Turn",
    "drop",
    "error",
    "garbage",
    "lag",
    "rate_limit",
    "slow",
    "stall",
    "status",
    "swallow",
    "wrong_ids",
]

_FORWARD_TIMEOUT_SECONDS = 30
# Where the block is among the parameters.
_BLOCK_PARAMETER = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getStorageAt": 2,
    "eth_getTransactionCount": 1,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What the client gets; a status of 0 closes the connection without a word."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request on its way: how to pass it on, and an event that ends any wait."""

    request: dict[str, Any]
    forward: Callable[[dict[str, Any]], Reply]
    is_healed: threading.Event

    @property
    def method(self) -> str:
        return str(self.request["method"])

    def answer(self, result: Any) -> Reply:
        return _reply({"result": result, "id": self.request["id"]})

    def ask(self, method: str, *params: Any) -> Any:
        """A question of the proxy's own to the node."""
        own = {"jsonrpc": "2.0", "id": 0, "method": method, "params": list(params)}
        return self.forward(own).json["result"]


Fault = Callable[[Turn], Reply]


def _reply(content: dict[str, Any]) -> Reply:
    return Reply(body=json.dumps({"jsonrpc": "2.0", **content}).encode())


def stall() -> Fault:
    """Accepts requests and answers none before the proxy is healed."""

    def fault(turn: Turn) -> Reply:
        turn.is_healed.wait()
        return Reply(status=0)

    return fault


def slow(seconds: float) -> Fault:
    """Answers late."""

    def fault(turn: Turn) -> Reply:
        turn.is_healed.wait(seconds)
        return turn.forward(turn.request)

    return fault


def drop() -> Fault:
    """Closes the connection without an answer; the node hears nothing."""
    return lambda turn: Reply(status=0)


def swallow() -> Fault:
    """The node gets the request, the client no answer."""

    def fault(turn: Turn) -> Reply:
        turn.forward(turn.request)
        return Reply(status=0)

    return fault


def status(code: int) -> Fault:
    """An HTTP status with a page of a gateway, no JSON."""
    return lambda turn: Reply(code, b"<html><body>Bad Gateway</body></html>")


def rate_limit(retry_after: str | None = None) -> Fault:
    """Too many requests: HTTP 429, with Retry-After if given."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return lambda turn: Reply(429, b"slow down", headers)


def error(code: int, message: str) -> Fault:
    """An error of the node's own."""
    content = {"code": code, "message": message}
    return lambda turn: _reply({"error": content, "id": turn.request["id"]})


def garbage(body: bytes = b"{not json") -> Fault:
    """An answer that is no answer."""
    return lambda turn: Reply(body=body)


def wrong_ids() -> Fault:
    """Answers to somebody else's question."""

    def fault(turn: Turn) -> Reply:
        truth = turn.forward(turn.request).json
        return _reply({**truth, "id": truth["id"] + 1_000})

    return fault


def lag(blocks: int) -> Fault:
    """A node that is behind: the newest blocks do not exist for it yet."""

    def fault(turn: Turn) -> Reply:
        head = max(int(turn.ask("eth_blockNumber"), 16) - blocks, 0)
        if turn.method == "eth_blockNumber":
            return turn.answer(hex(head))
        if turn.method == "eth_getLogs":
            return _old_logs(turn, head)
        if turn.method == "eth_getTransactionReceipt":
            return _old_receipt(turn, head)
        return _old_state(turn, head)

    return fault


def _old_state(turn: Turn, head: int) -> Reply:
    place = _BLOCK_PARAMETER.get(turn.method)
    params = list(turn.request["params"])
    if place is None or place >= len(params):
        return turn.forward(turn.request)
    block = params[place]
    if block in ("latest", "pending"):
        params[place] = hex(head)
    elif int(block, 16) > head:
        if turn.method == "eth_getBlockByNumber":
            return turn.answer(None)
        return error(-32000, "header not found")(turn)
    return turn.forward({**turn.request, "params": params})


def _old_logs(turn: Turn, head: int) -> Reply:
    (query,) = turn.request["params"]
    if "blockHash" in query:
        block = turn.ask("eth_getBlockByHash", query["blockHash"], False)
        if block is None or int(block["number"], 16) > head:
            return error(-32000, "unknown block")(turn)
        return turn.forward(turn.request)
    if int(query["fromBlock"], 16) > head:
        return turn.answer([])
    last = hex(min(int(query["toBlock"], 16), head))
    return turn.forward({**turn.request, "params": [{**query, "toBlock": last}]})


def _old_receipt(turn: Turn, head: int) -> Reply:
    truth = turn.forward(turn.request)
    receipt = truth.json["result"]
    is_seen = receipt is not None and int(receipt["blockNumber"], 16) <= head
    return truth if is_seen else turn.answer(None)


@dataclass(slots=True)
class _Rule:
    fault: Fault
    methods: frozenset[str] | None
    left: int | None

    def applies(self, method: str) -> bool:
        is_meant = self.methods is None or method in self.methods
        return is_meant and self.left != 0


class FaultyProxy:
    """Stands before one node, at an address of its own, until it is closed.

    Faults can be changed at any time and from any thread. Of several, the last one put
    in that applies to a request is used.

    Attributes:
        url: Where it listens, once started.
    """

    def __init__(self, target_url: str, *, port: int = 0) -> None:
        self.url = ""
        self._target_url = target_url
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._is_healed = threading.Event()
        self._methods: list[str] = []
        self._serving = ExitStack()
        self._port = port

    @property
    def methods(self) -> list[str]:
        """What was asked since the start or `forget`, in order."""
        with self._lock:
            return list(self._methods)

    def forget(self) -> None:
        """Empty `methods`."""
        with self._lock:
            self._methods.clear()

    def use(
        self,
        fault: Fault,
        *,
        methods: Collection[str] | None = None,
        times: int | None = None,
    ) -> None:
        """Misbehave: for these methods only, so many times only."""
        kinds = None if methods is None else frozenset(methods)
        with self._lock:
            self._rules.append(_Rule(fault, kinds, times))

    def heal(self) -> None:
        """Behave again; requests that wait are let go."""
        with self._lock:
            self._rules.clear()
            self._is_healed.set()
            self._is_healed = threading.Event()

    def start(self) -> None:
        self.url = self._serving.enter_context(serving(self._handler(), self._port))

    def close(self) -> None:
        self.heal()
        self._serving.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self, request: dict[str, Any]) -> Reply:
        method = str(request["method"])
        with self._lock:
            self._methods.append(method)
            rule = next((x for x in reversed(self._rules) if x.applies(method)), None)
            if rule is not None and rule.left is not None:
                rule.left -= 1
            is_healed = self._is_healed
        turn = Turn(request, self._forward, is_healed)
        return self._forward(request) if rule is None else rule.fault(turn)

    def _forward(self, request: dict[str, Any]) -> Reply:
        outgoing = urllib.request.Request(
            self._target_url,
            data=json.dumps(request).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(
                outgoing, timeout=_FORWARD_TIMEOUT_SECONDS
            ) as response:
                return Reply(response.status, response.read())
        except (urllib.error.URLError, OSError):
            # The node is down or was stopped: so is what stands before it.
            return Reply(status=0)

    def _handler(self) -> type[QuietHandler]:
        proxy = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                reply = proxy._answer(json.loads(self.body()))
                if reply.status:
                    self.send(reply.status, reply.body, reply.headers)

        return Handler
