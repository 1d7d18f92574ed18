"""What only the adapter for IPFS nodes does."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from devnet.processes.ipfs import IpfsNode
from protocol.digests import digest_to_cid
from protocol.errors import (
    ConfigError,
    ContentNotFound,
    DigestMismatch,
    StoreError,
    StoreUnavailable,
)
from protocol.store.ipfs import IpfsStore
from protocol.store.unixfs import file_digest

DIGEST = file_digest(b"hello")


@contextmanager
def a_server_answering(status: int, body: bytes) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that says the same to everything; yields its address and what
    was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_get_nobody_listening_raises_unavailable_naming_the_address() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        api = f"http://127.0.0.1:{closed.server_port}"

    with pytest.raises(StoreUnavailable, match=api):
        IpfsStore(api).get(DIGEST, max_bytes=10)


def test_get_not_an_ipfs_node_raises_unavailable() -> None:
    with (
        a_server_answering(404, b"<html>") as (api, _),
        pytest.raises(StoreUnavailable, match="does not answer like"),
    ):
        IpfsStore(api).get(DIGEST, max_bytes=10)


def test_get_error_of_the_node_is_passed_on() -> None:
    body = json.dumps({"Message": "block was not found", "Code": 0}).encode()

    with (
        a_server_answering(500, body) as (api, _),
        pytest.raises(ContentNotFound, match="block was not found"),
    ):
        IpfsStore(api).get(DIGEST, max_bytes=10)


def test_get_lying_node_raises_digest_mismatch() -> None:
    with (
        a_server_answering(200, b"hellO") as (api, _),
        pytest.raises(DigestMismatch),
    ):
        IpfsStore(api).get(DIGEST, max_bytes=10)


def test_get_states_its_limits_to_the_node() -> None:
    with a_server_answering(200, b"hello") as (api, asked):
        IpfsStore(api, timeout_seconds=7).get(DIGEST, max_bytes=10)

    assert f"arg={digest_to_cid(DIGEST)}" in asked[0]
    assert "length=11" in asked[0]
    assert "timeout=7000ms" in asked[0]


def test_get_ignores_a_proxy_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:9")
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with a_server_answering(200, b"hello") as (api, _):
        assert IpfsStore(api).get(DIGEST, max_bytes=10) == b"hello"


def test_put_other_digest_from_the_node_raises_mismatch() -> None:
    cid = digest_to_cid(file_digest(b"other"))
    body = json.dumps({"Name": "", "Hash": cid, "Size": "1"}).encode()

    with (
        a_server_answering(200, body) as (api, _),
        pytest.raises(DigestMismatch, match="Import settings"),
    ):
        IpfsStore(api).put(b"hello")


def test_put_cid_version_1_from_the_node_raises_mismatch() -> None:
    cid = "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y"
    body = json.dumps({"Name": "", "Hash": cid, "Size": "1"}).encode()

    with a_server_answering(200, body) as (api, _), pytest.raises(DigestMismatch):
        IpfsStore(api).put(b"hello")


def test_put_states_every_setting_that_changes_a_cid() -> None:
    body = json.dumps({"Name": "", "Hash": digest_to_cid(DIGEST), "Size": "1"}).encode()

    with a_server_answering(200, body) as (api, asked):
        IpfsStore(api).put(b"hello")

    for option in ("cid-version=0", "chunker=size-262144", "raw-leaves=false"):
        assert option in asked[0].lower()


def test_put_directory_states_every_setting_that_changes_a_cid() -> None:
    # The library adds options of its own here, which must not win.
    with (
        a_server_answering(500, b'{"Message": "refused"}') as (api, asked),
        pytest.raises(StoreError, match="refused"),
    ):
        IpfsStore(api).put_directory({"a": b"1"})

    query = asked[0].lower()
    for option in ("cid-version=0", "chunker=size-262144", "raw-leaves=false"):
        assert option in query


def test_store_gives_no_warnings(ipfs: IpfsNode) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = IpfsStore(ipfs.api)
        assert store.get(store.put(b"quiet"), max_bytes=5) == b"quiet"


@pytest.mark.parametrize(
    "api",
    [
        "",
        "127.0.0.1:5001",
        "ftp://127.0.0.1:5001",
        "http://",
        "http://127.0.0.1:port",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:5001/api/v0",
    ],
)
def test_ipfs_store_address_makes_no_sense_raises(api: str) -> None:
    with pytest.raises(ConfigError, match="IPFS address"):
        IpfsStore(api)


def test_ipfs_store_credentials_are_not_shown() -> None:
    store = IpfsStore("http://user:secret@127.0.0.1:1")

    with pytest.raises(StoreUnavailable) as caught:
        store.get(DIGEST, max_bytes=1)

    assert "secret" not in store.api + str(caught.value)


@pytest.mark.parametrize(
    "api", ["http://localhost:5001/", "https://ipfs.example", "http://[::1]:5001"]
)
def test_ipfs_store_other_addresses_are_accepted(api: str) -> None:
    assert IpfsStore(api).api == api.rstrip("/")
