"""Blocks of files and folders: made alike by all, and nothing else is read as one."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from protocol.digests import Digest
from protocol.errors import StoreError
from protocol.store import unixfs
from protocol.store.dag_pb import (
    Link,
    NodeError,
    bytes_field,
    encode_link,
    number_field,
    parse_block,
    read_fields,
)
from protocol.store.memory import MemoryStore
from protocol.store.unixfs import (
    MAX_NAME_BYTES,
    FileNode,
    block_digest,
    check_name,
    directory_block,
    directory_digest,
    file_blocks,
    file_digest,
    file_node,
    parse_directory,
    parse_file,
)

DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)
SIZES = st.integers(0, 2**63 - 1)
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"),
    min_size=1,
    max_size=30,
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= MAX_NAME_BYTES)
LINKS = st.builds(Link, NAMES | st.just(""), DIGESTS, SIZES)
FOLDERS = st.dictionaries(NAMES, st.builds(FileNode, DIGESTS, SIZES, SIZES), max_size=8)


def encoded(links: Iterable[Link], data: bytes) -> bytes:
    parts = [encode_link(link.name, link.digest, link.tree_bytes) for link in links]
    return b"".join(parts) + bytes_field(1, data)


# ---------------------------------------------------------------- dag-pb


@given(st.lists(LINKS, max_size=6), st.binary(max_size=40))
def test_parse_block_gives_links_and_data_back(links: list[Link], data: bytes) -> None:
    assert parse_block(encoded(links, data)) == (links, data)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 2**20), st.integers(0, 2**64 - 1) | st.binary(max_size=300)
        ),
        max_size=6,
    )
)
def test_read_fields_gives_all_fields_back(
    fields: list[tuple[int, int | bytes]],
) -> None:
    message = b"".join(
        bytes_field(number, value)
        if isinstance(value, bytes)
        else number_field(number, value)
        for number, value in fields
    )
    assert list(read_fields(message)) == fields


@given(st.binary(max_size=200))
@example(b"\x80" * 20)
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
def test_parse_block_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_block, parse_directory, parse_file):
        try:
            parse(data)
        except NodeError as error:
            assert len(str(error)) < 300


@given(st.lists(LINKS, min_size=1, max_size=3), st.binary(max_size=10), st.data())
def test_parse_block_cut_short_is_never_the_same(
    links: list[Link], data: bytes, draw: st.DataObject
) -> None:
    block = encoded(links, data)
    cut = block[: draw.draw(st.integers(0, len(block) - 1))]
    with pytest.raises(NodeError):
        parse_block(cut)


# ---------------------------------------------------------------- folders


@given(FOLDERS)
def test_parse_directory_gives_the_entries_back(folder: dict[str, FileNode]) -> None:
    block = directory_block(folder)
    entries = parse_directory(block)
    names = sorted(folder, key=str.encode)
    assert [entry.name for entry in entries] == names
    for entry in entries:
        node = folder[entry.name]
        assert (entry.digest, entry.tree_bytes) == (node.digest, node.tree_bytes)
    assert directory_digest(folder) == block_digest(block)


@given(FOLDERS.filter(bool), st.data())
def test_parse_directory_one_byte_changed_is_another_folder_or_refused(
    folder: dict[str, FileNode], data: st.DataObject
) -> None:
    block = directory_block(folder)
    changed = bytearray(block)
    changed[data.draw(st.integers(0, len(block) - 1))] = data.draw(st.integers(0, 255))
    assume(changed != block)
    try:
        entries = parse_directory(bytes(changed))
    except NodeError:
        return
    assert entries != parse_directory(block)


@given(st.lists(LINKS, max_size=5))
def test_parse_directory_reads_sorted_plain_names_only(links: list[Link]) -> None:
    block = encoded(links, number_field(1, 1))
    names = [link.name for link in links]
    is_canonical = names == sorted(set(names), key=str.encode) and "" not in names
    if is_canonical:
        assert parse_directory(block) == tuple(links)
    else:
        with pytest.raises(NodeError):
            parse_directory(block)


@given(st.text(max_size=200))
def test_check_name_accepts_what_stays_in_its_folder(name: str) -> None:
    try:
        check_name(name)
    except NodeError:
        return
    assert name not in ("", ".", "..")
    assert not set(name) & {"/", "\\", "\0", "\n"}
    assert len(name.encode()) <= MAX_NAME_BYTES


# ---------------------------------------------------------------- files


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterable[None]:
    """Trees of several levels from a few hundred bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unixfs, "CHUNK_BYTES", 8)
        patch.setattr(unixfs, "LINKS_PER_NODE", 3)
        yield


FILES = st.binary(max_size=400)


def read_back(blocks: dict[Digest, bytes], digest: Digest) -> bytes:
    contents, children = parse_file(blocks[digest])
    return contents + b"".join(read_back(blocks, child) for child in children)


@given(FILES)
def test_file_blocks_put_together_give_the_file(data: bytes) -> None:
    made = list(file_blocks(data))
    root = made[-1].node
    blocks = {one.node.digest: one.block for one in made}
    assert read_back(blocks, root.digest) == data
    assert root.content_bytes == len(data)
    assert root.tree_bytes == sum(len(one.block) for one in made)
    assert all(block_digest(block) == digest for digest, block in blocks.items())
    assert file_node(io.BytesIO(data)) == root


@given(FILES, st.data())
def test_file_digest_any_change_gives_another(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(at, len(data)))
    other = data[:at] + draw.draw(st.binary(max_size=12)) + data[end:]
    assert (file_digest(other) == file_digest(data)) == (other == data)


# ---------------------------------------------------------------- the store


@given(FILES, FILES, st.integers(0, 500))
def test_get_serves_the_right_bytes_within_the_limit_or_raises(
    data: bytes, served: bytes, limit: int
) -> None:
    store = MemoryStore()
    digest = store.put(data)
    store.files[digest] = served
    try:
        found = store.get(digest, max_bytes=limit)
    except StoreError:
        assert served != data or len(served) > limit
    else:
        assert found == data
        assert len(found) <= limit


@given(st.dictionaries(NAMES, FILES, max_size=5))
def test_get_directory_gives_the_files_back(files: dict[str, bytes]) -> None:
    store = MemoryStore()
    assert store.get_directory(store.put_directory(files)) == files


@given(st.dictionaries(NAMES, FILES, min_size=1, max_size=3), st.data())
def test_get_directory_stated_sizes_that_are_wrong_are_not_believed(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    """A folder that understates a file is refused; one that overstates is limited."""
    store = MemoryStore()
    nodes = {name: file_node(content) for name, content in files.items()}
    stated = {
        name: FileNode(node.digest, data.draw(st.integers(0, 2**63)), 0)
        for name, node in nodes.items()
    }
    block = directory_block(stated)
    store.put_directory(files)
    store.folders[block_digest(block)] = block
    is_enough = all(stated[name].tree_bytes >= len(files[name]) for name in files)
    try:
        assert store.get_directory(block_digest(block)) == files
        assert is_enough
    except StoreError:
        assert not is_enough
