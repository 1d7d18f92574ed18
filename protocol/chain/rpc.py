"""The connection to a node: JSON-RPC 2.0 over HTTP, and the one place that can fail.

Every failure of the transport or of the node becomes an error of ours here, before
web3 sees it, and no message or log shows what a URL's user part, path or query hold.
Nothing is retried: whoever polls asks again.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from pydantic_core import from_json
from web3 import Web3
from web3.providers import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from protocol.chain.reverts import revert_of
from protocol.errors import ChainError, ConfigError, RpcUnavailable
from protocol.urls import mask_url

__all__ = ["REQUEST_TIMEOUT_SECONDS", "RpcRefusal", "connect", "request"]

REQUEST_TIMEOUT_SECONDS = 10.0

# A block of logs is a few MiB; beyond this a node is broken or hostile.
_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_READ_BYTES = 64 * 1024
_MAX_QUOTED = 300
_REVERT_CODE = 3
# Bad request, payload too large, unprocessable: the request was read and refused.
_REFUSING_STATUS = frozenset({400, 413, 422})
_CALLS = frozenset({"eth_call", "eth_estimateGas"})
_QUANTITY = re.compile(r"0x[0-9a-fA-F]+")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


class RpcRefusal(RpcUnavailable):
    """The node answered with an error of its own.

    Attributes:
        reason: The node's message.
    """

    def __init__(self, message: str, reason: str) -> None:
        """Keep the node's own words apart from the full message."""
        self.reason = reason
        super().__init__(message)


def connect(rpc_url: str) -> Web3:
    """A web3 object for a node; sends nothing yet.

    Args:
        rpc_url: `http://` or `https://` URL of a JSON-RPC endpoint.

    Raises:
        ConfigError: It is another kind of URL.
    """
    is_http = rpc_url.startswith(("http://", "https://"))
    if not is_http or not urlsplit(rpc_url).hostname:
        raise ConfigError(
            f"RPC URL {mask_url(rpc_url)} must look like http://host:port "
            "or https://host/path"
        )
    # No middleware: names are not resolved, and results need no wrapping.
    return Web3(_Provider(rpc_url), middleware=[])


def request(web3: Web3, method: str, *params: Any) -> Any:
    """One JSON-RPC call, its result as the node wrote it."""
    return web3.manager.request_blocking(RPCEndpoint(method), list(params))


class _Provider(HTTPProvider):
    # A revert must never make us fetch a URL of the contract's choice (EIP-3668).
    global_ccip_read_enabled = False

    def __init__(self, rpc_url: str) -> None:
        super().__init__(rpc_url, exception_retry_configuration=None)
        self._url = rpc_url
        self._shown = mask_url(rpc_url)
        self._local = threading.local()

    def __str__(self) -> str:
        return f"RPC connection {self._shown}"

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        try:
            status, content = self._post(body)
        except (requests.RequestException, OSError) as cause:
            # The cause's text holds the URL, so it is not chained.
            reason = _transport_reason(cause)
            raise RpcUnavailable(f"RPC {self._shown}: {method}: {reason}") from None
        response = _parse(content)
        error = None if response is None else response.get("error")
        if error is not None:
            raise self._failure(method, error)
        if status in _REFUSING_STATUS:
            raise self._refusal(method, f"HTTP status {status}")
        if status != requests.codes.ok or response is None:
            raise RpcUnavailable(
                f"RPC {self._shown}: {method}: no JSON-RPC answer, HTTP status {status}"
            )
        if not _is_plausible(method, response.get("result")):
            raise RpcUnavailable(f"RPC {self._shown}: {method}: malformed result")
        return cast(RPCResponse, response)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Status and content, within the timeout as a whole and the size limit."""
        deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
        headers = {"Content-Type": "application/json"}
        with self._session().post(
            self._url,
            data=body,
            headers=headers,
            timeout=REQUEST_TIMEOUT_SECONDS,
            stream=True,
            # A redirected POST would arrive as a GET, maybe somewhere else.
            allow_redirects=False,
        ) as response:
            content = bytearray()
            for part in response.iter_content(_READ_BYTES):
                content += part
                if time.monotonic() > deadline:
                    raise requests.Timeout
                if len(content) > _MAX_RESPONSE_BYTES:
                    raise requests.exceptions.ContentDecodingError
            return response.status_code, bytes(content)

    def _session(self) -> requests.Session:
        # A session is not promised to be safe to share between threads.
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            self._local.session = session
        return session

    def _failure(self, method: str, error: Any) -> ChainError:
        details = error if isinstance(error, dict) else {"message": str(error)}
        reason = str(details.get("message", ""))[:_MAX_QUOTED]
        if method in _CALLS:
            data = _revert_data(details.get("data"))
            is_revert = details.get("code") == _REVERT_CODE or "revert" in reason
            if data or is_revert:
                return revert_of(data)
        return self._refusal(method, reason)

    def _refusal(self, method: str, reason: str) -> RpcRefusal:
        shown = reason.replace(self._url, self._shown)
        return RpcRefusal(f"RPC {self._shown}: {method}: {shown}", reason=shown)


def _transport_reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout):
        return f"no answer within {REQUEST_TIMEOUT_SECONDS:.0f} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS handshake failed"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return f"the answer is undecodable or above {_MAX_RESPONSE_BYTES} bytes"
    if isinstance(error, requests.ConnectionError):
        return "cannot connect; check the URL and that the node runs"
    return f"the request failed ({type(error).__name__})"


def _parse(content: bytes) -> dict[str, Any] | None:
    # Importing web3 lifts Python's recursion limit so far (py_ecc does) that the parser
    # would overrun the stack instead of raising.
    try:
        # Refuses deep nesting; the standard library's parser can exhaust the stack.
        response = from_json(content)
    except ValueError:
        return None
    is_answer = isinstance(response, dict) and response.get("jsonrpc") == "2.0"
    return response if is_answer and ("result" in response) else _error_of(response)


def _error_of(response: Any) -> dict[str, Any] | None:
    # Gateways in front of nodes leave out the version and the id of their errors.
    is_error = isinstance(response, dict) and response.get("error") is not None
    return response if is_error else None


def _revert_data(data: Any) -> bytes:
    """Revert data as Geth and Anvil put it, or inside an object as others do."""
    if isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, str):
        return b""
    text = data.removeprefix("Reverted ")
    return bytes.fromhex(text[2:]) if _DATA.fullmatch(text) else b""


def _is_quantity(result: Any) -> bool:
    return isinstance(result, str) and _QUANTITY.fullmatch(result) is not None


def _is_data(result: Any) -> bool:
    return isinstance(result, str) and _DATA.fullmatch(result) is not None


def _is_object_or_null(result: Any) -> bool:
    return result is None or isinstance(result, dict)


def _is_list(result: Any) -> bool:
    return isinstance(result, list)


# What we rely on of an answer's form; everything else about it is checked in use.
_FORMS: Mapping[str, Callable[[Any], bool]] = {
    "eth_blockNumber": _is_quantity,
    "eth_call": _is_data,
    "eth_chainId": _is_quantity,
    "eth_estimateGas": _is_quantity,
    "eth_gasPrice": _is_quantity,
    "eth_getBalance": _is_quantity,
    "eth_getBlockByNumber": _is_object_or_null,
    "eth_getCode": _is_data,
    "eth_getLogs": _is_list,
    "eth_getTransactionCount": _is_quantity,
    "eth_getTransactionReceipt": _is_object_or_null,
    "eth_sendRawTransaction": _is_data,
}


def _is_plausible(method: str, result: Any) -> bool:
    has_form = _FORMS.get(method)
    return has_form is None or has_form(result)
