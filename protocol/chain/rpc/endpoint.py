"""One address of a node: a JSON-RPC question over HTTP, its answer or our error.

Every failure of the transport or of the node becomes an error of ours here, before
web3 sees it, and no message or log shows what a URL's user part, path or query hold.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from pydantic_core import from_json
from requests.utils import get_environ_proxies
from web3.types import RPCResponse

from protocol.chain.abi.reverts import revert_of
from protocol.errors import ChainError, ConfigError, RpcRateLimited, RpcUnavailable
from protocol.hexadecimal import from_hex
from protocol.urls import mask_url

__all__ = ["REQUEST_TIMEOUT_SECONDS", "Endpoint", "RpcRefusal"]

REQUEST_TIMEOUT_SECONDS = 10.0

# A block of logs is a few MiB; beyond this a node is broken or hostile.
_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_READ_BYTES = 64 * 1024
_MAX_QUOTED = 300
_REVERT_CODE = 3
# Bad request, payload too large, unprocessable: the request was read and refused.
_REFUSING_STATUS = frozenset({400, 413, 422})
_TOO_MANY_REQUESTS = 429
_CALLS = frozenset({"eth_call", "eth_estimateGas"})
_QUANTITY = re.compile(r"0x[0-9a-fA-F]+")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
# EIP-1474's "limit exceeded" and what providers put in its place. The first is also
# said of queries that found too many logs, where waiting does not help.
_RATE_CODES = frozenset({429, -32005, -32007, -32029})
_RATE_WORDS = re.compile(
    r"rate.?limit|too many requests|request rate|per second|request limit|throttl"
    r"|compute units",
    re.IGNORECASE,
)
_SIZE_WORDS = re.compile(r"range|results|response size|logs", re.IGNORECASE)
# Of a block that the node will have once it has caught up.
_BEHIND_WORDS = re.compile(
    r"header not found|unknown block|block not found|block .*out.?of.?range"
    r"|beyond (the )?current head|block #?\w+ not found",
    re.IGNORECASE,
)


class RpcRefusal(RpcUnavailable):
    """The node answered with an error of its own.

    Attributes:
        reason: The node's message.
    """

    def __init__(self, message: str, reason: str) -> None:
        """Keep the node's own words apart from the full message."""
        self.reason = reason
        super().__init__(message)

    @property
    def is_behind(self) -> bool:
        """Whether the node lacks a block that it was asked about."""
        return _BEHIND_WORDS.search(self.reason) is not None


class Endpoint:
    """One URL. Thread-safe; asks once and judges the answer."""

    def __init__(self, url: str) -> None:
        """Check the URL; sends nothing yet.

        Raises:
            ConfigError: It is no `http://` or `https://` URL.
        """
        is_http = url.startswith(("http://", "https://"))
        if not is_http or not urlsplit(url).hostname:
            raise ConfigError(
                f"RPC URL {mask_url(url)} must look like http://host:port "
                "or https://host/path"
            )
        self._url = url
        self._shown = mask_url(url)
        headers = {"Content-Type": "application/json"}
        request = requests.Request("POST", url, headers, data=b"{}")
        try:
            with requests.Session() as session:
                self._request = session.prepare_request(request)
        except requests.RequestException as error:
            raise ConfigError(f"RPC URL {mask_url(url)} makes no sense") from error
        self._local = threading.local()

    def __str__(self) -> str:
        """The URL as it can be shown."""
        return self._shown

    def ask(self, method: str, body: bytes, request_id: int) -> RPCResponse:
        """Send an encoded request once.

        Args:
            method: Its method.
            body: The request.
            request_id: Its id, which the answer must have.

        Raises:
            ContractReverted: A call or an estimate of gas was refused by a contract.
            RpcRefusal: The node refuses; asking again gives the same answer.
            RpcRateLimited: Asked too often.
            RpcUnavailable: No answer, or none that makes sense.
        """
        try:
            response, content = self._post(body)
        except (requests.RequestException, OSError) as cause:
            # The cause's text holds the URL, so it is not chained.
            raise self._unavailable(method, _transport_reason(cause)) from None
        status = response.status_code
        answer = _parse(content)
        error = None if answer is None else answer.get("error")
        wait = _retry_after(response.headers.get("Retry-After"))
        if status == _TOO_MANY_REQUESTS or (wait is not None and status >= 500):
            reason = f"HTTP status {status} {self._words(error)}".rstrip()
            raise self._limited(method, reason, wait)
        if error is not None:
            raise self._failure(method, error, wait)
        if status in _REFUSING_STATUS:
            raise self._refusal(method, f"HTTP status {status}")
        if status != requests.codes.ok or answer is None:
            raise self._unavailable(method, f"no JSON-RPC answer, HTTP status {status}")
        if answer.get("id") != request_id:
            raise self._unavailable(method, "the answer to another request")
        if not _is_plausible(method, answer.get("result")):
            raise self._unavailable(method, "malformed result")
        return cast(RPCResponse, answer)

    def _post(self, body: bytes) -> tuple[requests.Response, bytes]:
        """Response and content, within the timeout as a whole and the size limit."""
        deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
        with self._session().send(
            self._prepared(body),
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
            return response, bytes(content)

    def _prepared(self, body: bytes) -> requests.PreparedRequest:
        # All but the body is the same every time, and takes longer than the sending.
        prepared = self._request.copy()
        prepared.body = body
        prepared.headers["Content-Length"] = str(len(body))
        return prepared

    def _session(self) -> requests.Session:
        # A session is not promised to be safe to share between threads.
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # Once, and not for every request: it looks through all variables.
            session.proxies.update(get_environ_proxies(self._url))
            session.trust_env = False
            self._local.session = session
        return session

    def _failure(self, method: str, error: Any, wait: float | None) -> ChainError:
        details = error if isinstance(error, dict) else {}
        reason = self._words(error)
        code = details.get("code")
        if method in _CALLS:
            data = _revert_data(details.get("data"))
            is_revert = code == _REVERT_CODE or "revert" in reason
            if data or is_revert:
                return revert_of(data)
        if _is_rate_limit(code, reason):
            return self._limited(method, reason, wait)
        return self._refusal(method, reason)

    def _words(self, error: Any) -> str:
        """A node's message, without what the URL hides."""
        quoted = error.get("message", "") if isinstance(error, dict) else error or ""
        return str(quoted)[:_MAX_QUOTED].replace(self._url, self._shown)

    def _refusal(self, method: str, reason: str) -> RpcRefusal:
        return RpcRefusal(f"RPC {self._shown}: {method}: {reason}", reason=reason)

    def _limited(self, method: str, reason: str, wait: float | None) -> RpcRateLimited:
        after = "" if wait is None else f", again in {wait:.0f} s"
        message = f"RPC {self._shown}: {method}: rate limit: {reason}{after}"
        return RpcRateLimited(message, wait)

    def _unavailable(self, method: str, reason: str) -> RpcUnavailable:
        return RpcUnavailable(f"RPC {self._shown}: {method}: {reason}")


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


def _retry_after(header: str | None) -> float | None:
    """Seconds to wait by a Retry-After header, which holds seconds or a date."""
    if header is None:
        return None
    try:
        return max(float(int(header)), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _is_rate_limit(code: Any, reason: str) -> bool:
    if _RATE_WORDS.search(reason):
        return True
    return code in _RATE_CODES and not _SIZE_WORDS.search(reason)


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
    return from_hex(text) if _DATA.fullmatch(text) else b""


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
    "eth_getTransactionByHash": _is_object_or_null,
    "eth_getTransactionCount": _is_quantity,
    "eth_getTransactionReceipt": _is_object_or_null,
    "eth_sendRawTransaction": _is_data,
}


def _is_plausible(method: str, result: Any) -> bool:
    has_form = _FORMS.get(method)
    return has_form is None or has_form(result)
