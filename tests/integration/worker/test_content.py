"""What a worker makes of prompts that a real IPFS node serves, or does not serve.

Bytes that cannot be had or do not match say nothing of the requester: unavailable.
Bytes that match and are no valid document are the requester's: invalid.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from devnet.kubo.repository import Repository
from devnet.processes.ipfs import IpfsNode
from protocol.digests import Digest
from protocol.documents.canonical import MAX_DOCUMENT_BYTES, canonical_json
from protocol.documents.prompts import PromptsDocument
from protocol.errors import ContentNotFound, ContentTooLarge, DigestMismatch, StoreError
from protocol.hexadecimal import to_hex
from protocol.market.types import JobState, Outcome, OutcomeStatus
from protocol.store.dag_pb import bytes_field, encode_link, number_field
from protocol.store.failover import open_store
from protocol.store.ipfs import IpfsStore
from protocol.store.unixfs import block_digest, file_blocks, file_digest
from tests.integration.worker.conftest import Bench, tick_until
from tests.integration.worker.test_worker import _half_of_window, revealed, state
from worker.duties.computation import compute

FILE = 2
MIB = 1 << 20


@pytest.fixture
def store(ipfs: IpfsNode) -> IpfsStore:
    return IpfsStore(ipfs.api)


def a_document(bench: Bench, **changes: Any) -> dict[str, Any]:
    prompt: dict[str, Any] = {
        "ids": [1, 2],
        "logprobs": 0,
        "maxNewTokens": 3,
        "seed": 0,
        "stop": [],
        "stopIds": [],
        "temperature": 0,
        "text": "",
        "topK": 0,
        "topP": 1_000_000,
    }
    model_id = to_hex(bench.model.model_id)
    return {"modelId": model_id, "prompts": [prompt | changes], "version": 1}


def garbled(bench: Bench, old: bytes, new: bytes) -> bytes:
    data = canonical_json(a_document(bench))
    assert old in data
    return data.replace(old, new, 1)


MALFORMED: dict[str, Callable[[Bench], bytes]] = {
    "empty": lambda bench: b"",
    "no JSON": lambda bench: b"It was a fine morning",
    "random bytes": lambda bench: os.urandom(100_000),
    "deep nesting": lambda bench: b"[" * 5_000_000,
    "nested objects": lambda bench: b'{"a":' * 1_000_000,
    "nested in a field": lambda bench: garbled(
        bench, b'"stop":[]', b'"stop":' + b"[" * MIB + b"]" * MIB
    ),
    "huge number": lambda bench: garbled(bench, b"[1,2]", b"[" + b"9" * MIB + b"]"),
    "number too large": lambda bench: garbled(bench, b"[1,2]", b"[4294967296]"),
    "fraction": lambda bench: garbled(bench, b'"seed":0', b'"seed":0.0'),
    "exponent": lambda bench: garbled(bench, b'"seed":0', b'"seed":1e999999999'),
    "not a number": lambda bench: garbled(bench, b'"seed":0', b'"seed":NaN'),
    "doubled key": lambda bench: garbled(bench, b'"seed":0', b'"seed":0,"seed":0'),
    "many keys": lambda bench: (
        b"{" + b",".join(b'"%d":1' % n for n in range(500_000)) + b"}"
    ),
    "many faults": lambda bench: garbled(
        bench, b"[1,2]", b"[" + b'"",' * 1_000_000 + b'""]'
    ),
    "many empty prompts": lambda bench: garbled(
        bench, b'"prompts":[', b'"prompts":[' + b"{}," * 1_000_000
    ),
    "invalid UTF-8": lambda bench: garbled(bench, b'"text":""', b'"text":"\xff\xfe"'),
    "surrogate": lambda bench: garbled(bench, b'"text":""', b'"text":"\\ud800"'),
    "escape of a letter": lambda bench: garbled(bench, b'""', b'"\\u0061"'),
    "whitespace": lambda bench: canonical_json(a_document(bench)) + b"\n",
    "byte order mark": lambda bench: (
        b"\xef\xbb\xbf" + canonical_json(a_document(bench))
    ),
    "too many ids": lambda bench: canonical_json(
        a_document(bench, ids=[1] * 1_000_000)
    ),
    "id outside the vocabulary": lambda bench: canonical_json(
        a_document(bench, ids=[bench.model.spec.vocab_size])
    ),
    "too long an answer": lambda bench: canonical_json(
        a_document(bench, maxNewTokens=bench.model.spec.context_length)
    ),
    "other model": lambda bench: canonical_json(
        a_document(bench) | {"modelId": "0x" + "ab" * 32}
    ),
    "other version": lambda bench: canonical_json(a_document(bench) | {"version": 2}),
    "no prompts": lambda bench: canonical_json(a_document(bench) | {"prompts": []}),
}


def test_compute_malformed_documents_fetched_from_ipfs_become_invalid(
    bench: Bench, store: IpfsStore
) -> None:
    wrong = []
    for name, make in MALFORMED.items():
        digest = store.put(make(bench))
        params = bench.market.job(
            bench.requester, prompts_digest=digest, prompt_count=1, max_tokens=10
        )
        computed = compute(
            store.get(digest, max_bytes=MAX_DOCUMENT_BYTES),
            params,
            bench.model.spec,
            engine=bench.model.engine,
            codec=bench.model.codec,
        )
        if computed.outcome != Outcome.error(OutcomeStatus.INPUT_INVALID):
            wrong.append((name, computed.outcome))
        assert 0 < len(computed.reason) < 1_000, name
        assert computed.results is None
    assert wrong == []
    assert bench.engine.batches == 0


def on(bench: Bench, store: Any) -> Bench:
    """The same bench with workers on another store."""
    bench.store = store
    return bench


def outcome_after_the_fetch_window(bench: Bench, digest: Digest) -> Outcome:
    worker = bench.seated_worker()
    params = bench.post(prompts_digest=digest)
    drawn = bench.market.draw(bench.requester, params)
    bench.market.anvil.skip(_half_of_window(bench, drawn))
    tick_until(worker, lambda: state(bench, params).is_final)
    return revealed(bench, params)


UNAVAILABLE = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)


def test_worker_content_that_nobody_has_becomes_unavailable(
    bench: Bench, store: IpfsStore
) -> None:
    missing = Digest(os.urandom(32))
    assert outcome_after_the_fetch_window(on(bench, store), missing) == UNAVAILABLE


def test_worker_wrong_bytes_from_ipfs_become_unavailable(
    bench: Bench, store: IpfsStore, ipfs: IpfsNode
) -> None:
    # Not the document of the other tests, which share the node.
    digest = store.put(canonical_json(a_document(bench, seed=77)))
    (leaf,) = file_blocks(b"garbage")
    overwrite(ipfs, digest, leaf.block)

    with pytest.raises(DigestMismatch):
        store.get(digest, max_bytes=MAX_DOCUMENT_BYTES)
    assert outcome_after_the_fetch_window(on(bench, store), digest) == UNAVAILABLE


def test_worker_first_node_down_computes_with_the_bytes_of_the_second(
    bench: Bench, store: IpfsStore
) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        dead = f"http://127.0.0.1:{closed.server_port}"
    digest = store.put(bench.prompts.to_bytes())
    on(bench, open_store(f"{dead},{store.api}"))
    worker = bench.seated_worker()
    params = bench.post(prompts_digest=digest)
    bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: state(bench, params) is JobState.ACCEPTED)

    outcome = revealed(bench, params)
    assert outcome.status is OutcomeStatus.OK
    assert store.get(outcome.results_digest, max_bytes=10_000)


# ---------------------------------------------------------------- hostile trees


def overwrite(ipfs: IpfsNode, digest: Digest, block: bytes) -> None:
    path = Repository(ipfs.folder).block_path(digest)
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.chmod(0o600)
    path.write_bytes(block)


def plant(ipfs: IpfsNode, block: bytes) -> Digest:
    """Puts any block into the node's store, as its peers could."""
    digest = block_digest(block)
    overwrite(ipfs, digest, block)
    return digest


def a_node(children: list[tuple[Digest, int]], *, stated: int) -> bytes:
    """A file's inner node that links to children and states sizes as it likes."""
    links = b"".join(encode_link("", digest, size) for digest, size in children)
    sizes = b"".join(number_field(4, size) for _, size in children)
    data = number_field(1, FILE) + number_field(3, stated) + sizes
    return links + bytes_field(1, data)


def a_leaf(contents: bytes) -> bytes:
    filled = bytes_field(2, contents) if contents else b""
    size = number_field(3, len(contents))
    return bytes_field(1, number_field(1, FILE) + filled + size)


def a_bomb(ipfs: IpfsNode, contents: bytes, levels: int, width: int) -> Digest:
    """A few blocks that unfold to width ** levels leaves."""
    digest = plant(ipfs, a_leaf(contents))
    size = len(contents)
    for _ in range(levels):
        block = a_node([(digest, size)] * width, stated=size * width)
        digest, size = plant(ipfs, block), min(size * width, 2**62)
    return digest


@pytest.mark.parametrize(
    ("contents", "levels", "width"),
    [(b"x" * 1_000, 9, 100), (b"", 60, 2), (b"", 5, 174), (b"y", 500, 1)],
)
def test_get_tree_that_unfolds_without_end_is_refused(
    ipfs: IpfsNode, store: IpfsStore, contents: bytes, levels: int, width: int
) -> None:
    digest = a_bomb(ipfs, contents, levels, width)
    with pytest.raises(StoreError):
        store.get(digest, max_bytes=MIB)


def test_get_tree_of_other_shape_or_sizes_is_no_content_of_its_digest(
    ipfs: IpfsNode, store: IpfsStore
) -> None:
    """The bytes are right, the tree is not the one that they make up."""
    leaf = plant(ipfs, a_leaf(b"data"))
    for stated in (0, 4, 2**62):
        digest = plant(ipfs, a_node([(leaf, stated)], stated=stated))
        with pytest.raises((ContentNotFound, DigestMismatch)):
            store.get(digest, max_bytes=MIB)


def test_get_larger_than_a_document_is_refused_after_its_first_bytes(
    ipfs: IpfsNode, store: IpfsStore
) -> None:
    digest = a_bomb(ipfs, b"z" * 200_000, 2, 30)
    with pytest.raises(ContentTooLarge):
        store.get(digest, max_bytes=MAX_DOCUMENT_BYTES)


def test_worker_tree_that_unfolds_without_end_becomes_unavailable(
    bench: Bench, store: IpfsStore, ipfs: IpfsNode
) -> None:
    digest = a_bomb(ipfs, b"", 60, 2)
    assert outcome_after_the_fetch_window(on(bench, store), digest) == UNAVAILABLE


def test_put_document_has_the_digest_that_the_job_states(
    bench: Bench, store: IpfsStore
) -> None:
    data = bench.prompts.to_bytes()
    assert store.put(data) == file_digest(data)
    found = store.get(file_digest(data), max_bytes=10_000)
    assert PromptsDocument.from_bytes(found) == bench.prompts
