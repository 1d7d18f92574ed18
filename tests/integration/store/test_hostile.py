"""IPFS nodes that are slow, endless or hostile: time and memory stay bounded.

Each server here would keep a client that only has a read time-out for ever, or fill its
memory. The tests count what the client takes, and wait for it to hang up.
"""

from __future__ import annotations

import gzip
import itertools
import json
import sys
from collections.abc import Callable, Iterator

import pytest

from protocol.digests import digest_to_cid
from protocol.errors import (
    ContentTooLarge,
    DigestMismatch,
    StoreError,
    StoreUnavailable,
)
from protocol.store import bounded_http, ipfs
from protocol.store.ipfs import IpfsStore
from protocol.store.unixfs import file_digest
from tests.support.faults.hostile_http import Reply, Told, head, hostile_server

DATA = b"hello"
DIGEST = file_digest(DATA)
MAX_BYTES = 100_000
PIECE = b"x" * 65_536
SECONDS = 0.3
# What lies in the buffers of two sockets, besides what was read.
BUFFERED_BYTES = 16 * 2**20
GONE_SECONDS = 30.0

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipfs, "_ANSWER_MARGIN_SECONDS", 0.1)


def never(told: Told) -> Iterator[bytes]:
    """Accepts, and says nothing."""
    told.wait(GONE_SECONDS)
    yield b""


def endless_head(told: Told) -> Iterator[bytes]:
    """Headers that trickle in, each before a read could time out."""
    yield b"HTTP/1.1 200 OK\r\nX-Slow: "
    for _ in itertools.count():
        told.wait(0.02)
        yield b"y"


def trickle(told: Told) -> Iterator[bytes]:
    """A body of which a byte comes now and then."""
    yield head(Content_Length="100000")
    for _ in itertools.count():
        told.wait(0.02)
        yield b"z"


def trickle_chunks(told: Told) -> Iterator[bytes]:
    yield head(Transfer_Encoding="chunked")
    for _ in itertools.count():
        told.wait(0.02)
        yield b"1\r\nz\r\n"


def trickle_to_the_end(told: Told) -> Iterator[bytes]:
    """Without a length: hanging up could look like the end of the content."""
    yield head() + DATA
    for _ in itertools.count():
        told.wait(0.02)
        yield b""


@pytest.mark.parametrize(
    "reply", [never, endless_head, trickle, trickle_chunks, trickle_to_the_end]
)
def test_get_from_a_slow_node_is_given_up_in_time(reply: Reply) -> None:
    with hostile_server(reply) as told:
        store = IpfsStore(told.api, timeout_seconds=SECONDS)
        with pytest.raises(StoreUnavailable, match="no answer from the IPFS node"):
            store.get(DIGEST, max_bytes=MAX_BYTES)


CALLS: dict[str, Callable[[IpfsStore], object]] = {
    "put": lambda store: store.put(b"x" * 10),
    "put_directory": lambda store: store.put_directory({"a": b"1"}),
    "get_directory": lambda store: store.get_directory(DIGEST),
    "pin": lambda store: store.pin(DIGEST),
    "unpin": lambda store: store.unpin(DIGEST),
    "addresses": lambda store: store.addresses(),
    "connect": lambda store: store.connect("/ip4/127.0.0.1/tcp/1/p2p/Qm"),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("call", CALLS)
def test_call_to_a_slow_node_is_given_up_in_time(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipfs, "_CONNECT_SECONDS", SECONDS)
    monkeypatch.setattr(ipfs, "_CONNECT_PEER_SECONDS", SECONDS)
    with hostile_server(endless_head) as told:
        store = IpfsStore(told.api, timeout_seconds=SECONDS)
        with pytest.raises(StoreUnavailable):
            CALLS[call](store)


def test_get_slow_but_steady_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps up the pace may take longer than a fetch may take to begin."""
    monkeypatch.setattr(bounded_http, "PACE_BYTES_PER_SECOND", 32_768)
    data = b"s" * 131_072

    def steady(told: Told) -> Iterator[bytes]:
        yield head(Content_Length=str(len(data)))
        for start in range(0, len(data), 32_768):
            told.wait(0.3)
            yield data[start : start + 32_768]

    with hostile_server(steady) as told:
        store = IpfsStore(told.api, timeout_seconds=0.5)
        assert store.get(file_digest(data), max_bytes=len(data)) == data


def endless(told: Told) -> Iterator[bytes]:
    yield head()
    yield from itertools.repeat(PIECE)


def endless_chunks(told: Told) -> Iterator[bytes]:
    yield head(Transfer_Encoding="chunked")
    yield from itertools.repeat(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))


def one_huge_chunk(told: Told) -> Iterator[bytes]:
    yield head(Transfer_Encoding="chunked") + b"7fffffff\r\n"
    yield from itertools.repeat(PIECE)


def promised(told: Told) -> Iterator[bytes]:
    yield head(Content_Length=str(2**40))
    yield from itertools.repeat(PIECE)


@pytest.mark.parametrize("reply", [endless, endless_chunks, one_huge_chunk, promised])
def test_get_from_an_endless_node_takes_no_more_than_allowed(reply: Reply) -> None:
    with hostile_server(reply) as told:
        with pytest.raises(ContentTooLarge, match=f"more than {MAX_BYTES + 1} bytes"):
            IpfsStore(told.api).get(DIGEST, max_bytes=MAX_BYTES)
        assert told.gone.wait(GONE_SECONDS)
        assert told.sent < MAX_BYTES + BUFFERED_BYTES


@pytest.mark.parametrize("call", [name for name in CALLS if name != "get_directory"])
def test_call_to_an_endless_node_takes_no_more_than_an_answer(call: str) -> None:
    def spaces(told: Told) -> Iterator[bytes]:
        yield head(Content_Type="application/json")
        yield from itertools.repeat(b" " * 65_536)

    with hostile_server(spaces) as told:
        with pytest.raises(ContentTooLarge):
            CALLS[call](IpfsStore(told.api))
        assert told.gone.wait(GONE_SECONDS)
        assert told.sent < BUFFERED_BYTES


def test_get_directory_endless_block_is_refused() -> None:
    with hostile_server(endless) as told:
        with pytest.raises(ContentTooLarge):
            IpfsStore(told.api).get_directory(DIGEST)
        assert told.gone.wait(GONE_SECONDS)
        assert told.sent < BUFFERED_BYTES


def test_get_endless_refusal_is_read_to_its_first_bytes_only() -> None:
    def refusal(told: Told) -> Iterator[bytes]:
        yield head("500 Internal Server Error", Content_Type="application/json")
        yield b'{"Message": "'
        yield from itertools.repeat(PIECE)

    with hostile_server(refusal) as told:
        with pytest.raises(StoreError) as caught:
            IpfsStore(told.api).get(DIGEST, max_bytes=MAX_BYTES)
        assert told.gone.wait(GONE_SECONDS)
    assert told.sent < BUFFERED_BYTES
    assert len(str(caught.value)) < 1_000


def test_get_long_refusal_is_cut_in_the_message() -> None:
    body = json.dumps({"Message": "m" * 50_000, "Code": 0}).encode()

    def refusal(told: Told) -> Iterator[bytes]:
        yield head("500 Internal Server Error", Content_Length=str(len(body))) + body

    with hostile_server(refusal) as told, pytest.raises(StoreError) as caught:
        IpfsStore(told.api).get(DIGEST, max_bytes=10)
    assert len(str(caught.value)) < 1_000


def test_get_packed_answer_is_not_unfolded() -> None:
    bomb = gzip.compress(bytes(50_000_000))

    def packed(told: Told) -> Iterator[bytes]:
        yield head(Content_Encoding="gzip", Content_Length=str(len(bomb))) + bomb

    with hostile_server(packed) as told, pytest.raises(DigestMismatch) as caught:
        IpfsStore(told.api).get(DIGEST, max_bytes=MAX_BYTES)
    assert f"the {len(bomb)} bytes served" in str(caught.value)


def test_get_redirect_is_not_followed() -> None:
    def elsewhere(told: Told) -> Iterator[bytes]:
        yield head("307 Temporary", Location=f"{told.api}/else", Content_Length="0")

    with hostile_server(elsewhere) as told:
        with pytest.raises(StoreUnavailable):
            IpfsStore(told.api).get(DIGEST, max_bytes=10)
        assert len(told.paths) == 1


def test_get_answer_that_breaks_off_is_unavailable() -> None:
    def half(told: Told) -> Iterator[bytes]:
        yield head(Content_Length="5") + b"hel"

    with hostile_server(half) as told, pytest.raises(StoreUnavailable):
        IpfsStore(told.api).get(DIGEST, max_bytes=10)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b'{"Hash": ' + b"9" * 10_000 + b"}",
        b'{"Hash": {"a": 1}}',
        b"\xff\xfe",
        b"",
        b'{"Addresses": 5, "Version": null, "Pins": 7}',
    ],
)
@pytest.mark.parametrize("call", ["put", "put_directory", "pin", "addresses", "ping"])
def test_call_answered_with_other_json_is_an_error_of_the_store(
    call: str, body: bytes
) -> None:
    def reply(told: Told) -> Iterator[bytes]:
        yield (
            head(Content_Type="application/json", Content_Length=str(len(body))) + body
        )

    with hostile_server(reply) as told:
        try:
            found = CALLS[call](IpfsStore(told.api))
        except StoreError:
            return
    # A pin is believed whatever the answer looks like: nothing is taken from it.
    assert call in ("pin", "ping", "addresses"), found


@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error"])
@pytest.mark.parametrize("before", [b"", b'{"Message": "[[\\"", "a": '])
def test_put_deeply_nested_answer_is_not_parsed(status: str, before: bytes) -> None:
    """A library of the chain client lets Python recurse until the process dies."""
    body = before + b"[" * 60_000
    limit = sys.getrecursionlimit()

    def reply(told: Told) -> Iterator[bytes]:
        yield head(status, Content_Length=str(len(body))) + body

    sys.setrecursionlimit(100_000)
    try:
        with (
            hostile_server(reply) as told,
            pytest.raises(StoreUnavailable, match="nested deeper than 64"),
        ):
            IpfsStore(told.api).put(DATA)
    finally:
        sys.setrecursionlimit(limit)


def test_put_answer_with_brackets_in_names_is_read() -> None:
    body = b'{"Name": "%s", "Hash": "%s", "Size": "1"}' % (
        b"[{" * 500 + b'\\"[',
        digest_to_cid(DIGEST).encode(),
    )

    def reply(told: Told) -> Iterator[bytes]:
        yield head(Content_Length=str(len(body))) + body

    with hostile_server(reply) as told:
        assert IpfsStore(told.api).put(DATA) == DIGEST


def test_put_digest_of_other_content_is_refused_and_cut_in_the_message() -> None:
    body = json.dumps({"Name": "", "Hash": "Q" * 100_000, "Size": "1"}).encode()

    def reply(told: Told) -> Iterator[bytes]:
        yield head(Content_Length=str(len(body))) + body

    with hostile_server(reply) as told, pytest.raises(DigestMismatch) as caught:
        IpfsStore(told.api).put(DATA)
    assert digest_to_cid(DIGEST) in str(caught.value)
    assert len(str(caught.value)) < 1_000
