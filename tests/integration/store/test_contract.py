"""What every content store does, run on the fake and on a real node."""

from __future__ import annotations

import os
import threading
import time

import pytest

from protocol.digests import Digest
from protocol.errors import (
    ContentNotFound,
    ContentTooLarge,
    DigestMismatch,
    StoreError,
)
from protocol.store.port import ContentStore, DirectoryLimits
from protocol.store.unixfs import (
    CHUNK_BYTES,
    directory_block,
    directory_digest,
    file_digest,
    file_node,
)
from tests.integration.store.conftest import Backend

MISSING_SECONDS = 10.0


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 3]
)
def test_put_any_size_is_got_back(store: ContentStore, size: int) -> None:
    data = os.urandom(size)

    digest = store.put(data)

    assert digest == file_digest(data)
    assert store.get(digest, max_bytes=size) == data


def test_put_same_bytes_twice_gives_same_digest(store: ContentStore) -> None:
    assert store.put(b"twice") == store.put(b"twice")


def test_put_all_gives_the_digests_in_order(store: ContentStore) -> None:
    contents = [b"twice", os.urandom(CHUNK_BYTES + 1), b"", b"twice"]

    digests = store.put_all(contents)

    assert list(digests) == [file_digest(data) for data in contents]
    for digest, data in zip(digests, contents, strict=True):
        assert store.get(digest, max_bytes=len(data)) == data
    assert store.put_all([]) == ()


def test_get_missing_raises_within_a_limit(store: ContentStore) -> None:
    started = time.monotonic()

    with pytest.raises(ContentNotFound):
        store.get(Digest(os.urandom(32)), max_bytes=100)

    assert time.monotonic() - started < MISSING_SECONDS


@pytest.mark.parametrize("size", [1, CHUNK_BYTES + 1])
def test_get_one_byte_too_many_raises(store: ContentStore, size: int) -> None:
    digest = store.put(os.urandom(size))

    with pytest.raises(ContentTooLarge, match=str(size - 1)):
        store.get(digest, max_bytes=size - 1)


def test_get_other_bytes_raises_digest_mismatch(backend: Backend) -> None:
    digest = backend.store.put(os.urandom(20))
    backend.corrupt_file(digest, b"something else here.")

    with pytest.raises(DigestMismatch, match="make up"):
        backend.store.get(digest, max_bytes=1_000)


def test_get_of_a_folder_raises(store: ContentStore) -> None:
    digest = store.put_directory({"a": os.urandom(8)})

    with pytest.raises(ContentNotFound):
        store.get(digest, max_bytes=1_000)


def test_put_directory_is_got_back(store: ContentStore) -> None:
    files = {
        "config.json": b"{}",
        "model.safetensors": os.urandom(3 * CHUNK_BYTES),
        ".hidden": b"",
        "ä b.txt": b"text",
    }

    digest = store.put_directory(files)

    assert digest == directory_digest({n: file_node(d) for n, d in files.items()})
    assert store.get_directory(digest) == files


def test_put_directory_empty_is_got_back(store: ContentStore) -> None:
    assert store.get_directory(store.put_directory({})) == {}


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd", "a\\b", "\n"])
def test_put_directory_name_not_plain_raises(store: ContentStore, name: str) -> None:
    with pytest.raises(StoreError, match="file name"):
        store.put_directory({name: b"x"})


def test_get_directory_missing_raises_within_a_limit(store: ContentStore) -> None:
    started = time.monotonic()

    with pytest.raises(ContentNotFound):
        store.get_directory(Digest(os.urandom(32)))

    assert time.monotonic() - started < MISSING_SECONDS


def test_get_directory_of_a_file_raises(store: ContentStore) -> None:
    digest = store.put(os.urandom(10))

    with pytest.raises(ContentNotFound):
        store.get_directory(digest)


def test_get_directory_too_many_files_raises(store: ContentStore) -> None:
    digest = store.put_directory({"a": b"1", "b": b"2", "c": b"3"})

    with pytest.raises(ContentTooLarge, match="3 files"):
        store.get_directory(digest, limits=DirectoryLimits(2, 100))


def test_get_directory_too_many_bytes_raises(store: ContentStore) -> None:
    digest = store.put_directory({"a": b"12345", "b": b"67890"})

    with pytest.raises(ContentTooLarge):
        store.get_directory(digest, limits=DirectoryLimits(2, 9))
    assert store.get_directory(digest, limits=DirectoryLimits(2, 10))


def test_get_directory_other_file_raises_digest_mismatch(backend: Backend) -> None:
    data = os.urandom(20)
    digest = backend.store.put_directory({"a": data})
    backend.corrupt_file(file_digest(data), b"something else here.")

    with pytest.raises(DigestMismatch):
        backend.store.get_directory(digest)


def test_get_directory_other_block_raises_digest_mismatch(backend: Backend) -> None:
    mine, other = os.urandom(20), os.urandom(20)
    digest = backend.store.put_directory({"a": mine})
    backend.store.put_directory({"a": other})
    backend.corrupt_folder(digest, directory_block({"a": file_node(other)}))

    with pytest.raises(DigestMismatch, match="block served"):
        backend.store.get_directory(digest)


def test_get_file_is_the_one_of_that_name(store: ContentStore) -> None:
    digest = store.put_directory({"a": b"1", "b": b"22"})

    assert store.get_file(digest, "b", max_bytes=2) == b"22"


def test_get_file_too_large_raises(store: ContentStore) -> None:
    digest = store.put_directory({"a": b"22"})

    with pytest.raises(ContentTooLarge):
        store.get_file(digest, "a", max_bytes=1)


def test_get_file_unknown_name_raises_and_lists_names(store: ContentStore) -> None:
    digest = store.put_directory({"a": b"1", "b": b"22"})

    with pytest.raises(ContentNotFound, match="'c'; it holds a, b"):
        store.get_file(digest, "c", max_bytes=10)


def test_pin_stored_content_succeeds(store: ContentStore) -> None:
    digest = store.put(os.urandom(9))

    store.unpin(digest)
    store.pin(digest)

    assert store.get(digest, max_bytes=9)


def test_pin_folder_succeeds(store: ContentStore) -> None:
    digest = store.put_directory({"a": os.urandom(9)})

    store.unpin(digest)
    store.pin(digest)


def test_pin_missing_raises_within_a_limit(store: ContentStore) -> None:
    started = time.monotonic()

    with pytest.raises(ContentNotFound):
        store.pin(Digest(os.urandom(32)))

    assert time.monotonic() - started < MISSING_SECONDS


def test_unpin_twice_is_harmless(store: ContentStore) -> None:
    digest = store.put(os.urandom(9))

    store.unpin(digest)
    store.unpin(digest)


def test_put_from_many_threads_keeps_everything(store: ContentStore) -> None:
    contents = [os.urandom(50_000) for _ in range(12)]
    digests: dict[int, Digest] = {}

    def put(number: int) -> None:
        digests[number] = store.put(contents[number])

    threads = [threading.Thread(target=put, args=(n,)) for n in range(len(contents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [store.get(digests[n], max_bytes=50_000) for n in range(len(contents))]
    assert found == contents
