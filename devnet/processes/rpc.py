"""The few JSON-RPC questions that the market's client has no words for."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from protocol.errors import RpcUnavailable

__all__ = ["ask"]

_ANSWER_SECONDS = 60.0


def ask(rpc_url: str, method: str, *params: object) -> Any:
    """One call (JSON-RPC 2.0), its result as the node wrote it.

    Args:
        rpc_url: A node of the local network.
        method: Such as `eth_chainId`.
        params: Its parameters.

    Raises:
        RpcUnavailable: No answer, or an error as the answer.
    """
    question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = urllib.request.Request(
        rpc_url, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise RpcUnavailable(f"RPC {rpc_url}: {method}: {error}") from error
    if not isinstance(answer, dict) or "result" not in answer:
        raise RpcUnavailable(f"RPC {rpc_url}: {method}: answered {answer}")
    return answer["result"]
