from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.digests import Digest, digest_to_cid
from protocol.store.unixfs import (
    CHUNK_BYTES,
    LINKS_PER_NODE,
    MAX_DIRECTORY_ENTRIES,
    FileNode,
    NodeError,
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


def pattern(size: int) -> bytes:
    """Bytes that differ from chunk to chunk, the same on every machine."""
    unit = b"".join(number.to_bytes(4, "big") for number in range(65_537))
    return (unit * (size // len(unit) + 1))[:size]


# Made by `ipfs add --cid-version=0 --only-hash` of Kubo 0.22 from `pattern(size)`.
VECTORS = {
    0: "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
    1: "QmS9JArPwa55ePgDnyg6TzX24mYTS1b1vLqWNebyVotKxQ",
    262_144: "QmRvQEkbnu2aprD6rfbgZYFZ2HSZmd8vFti1VjXJqnXmGj",
    262_145: "QmXKXqyYA6Hsi9jcHjdtji8uAQAJye7AKXUBzav7r7TaMY",
    45_613_056: "QmTYcSXhRdFwDsgzcd2b5z7DCqA9x9uhRvq6c74XCCDPhv",
    45_613_057: "QmerpWVUSN3mWraTAKh1AVXxqPke4T9qi8pcTupvj9qJJx",
    91_488_261: "QmfQyjpFLBrr5dM9ATTa1Jcx8hqA7WzMHSnag3Nvcsby7z",
}


class Dribble(io.RawIOBase):
    """A stream that returns a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1_000))


@pytest.mark.parametrize(("size", "cid"), VECTORS.items())
def test_file_digest_known_sizes_equal_kubo(size: int, cid: str) -> None:
    assert digest_to_cid(file_digest(pattern(size))) == cid


def test_file_digest_stream_equals_bytes() -> None:
    data = pattern(CHUNK_BYTES + 1)

    assert file_digest(io.BytesIO(data)) == file_digest(data)


def test_file_digest_stream_of_short_reads_equals_bytes() -> None:
    data = pattern(2 * CHUNK_BYTES)

    assert file_digest(Dribble(data)) == file_digest(data)  # type: ignore[arg-type]


def test_file_node_two_chunks_counts_all_blocks() -> None:
    data = pattern(CHUNK_BYTES + 1)

    node = file_node(data)

    blocks = [made.block for made in file_blocks(data)]
    assert node.content_bytes == len(data)
    assert node.tree_bytes == sum(map(len, blocks))
    assert len(blocks) == 3


def test_file_blocks_many_chunks_have_full_nodes_first() -> None:
    data = bytes(CHUNK_BYTES) * LINKS_PER_NODE + b"x"

    *_, first, second, root = (made.block for made in file_blocks(data))

    assert [len(parse_file(block)[1]) for block in (first, second, root)] == [
        LINKS_PER_NODE,
        1,
        2,
    ]


def read_back(blocks: dict[Digest, bytes], digest: Digest) -> bytes:
    contents, children = parse_file(blocks[digest])
    return contents + b"".join(read_back(blocks, child) for child in children)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 7])
def test_parse_file_blocks_give_the_file_back(size: int) -> None:
    data = pattern(size)
    made = list(file_blocks(data))
    blocks = {one.node.digest: one.block for one in made}

    assert read_back(blocks, made[-1].node.digest) == data


def test_directory_digest_empty_equals_kubo() -> None:
    cid = digest_to_cid(directory_digest({}))

    assert cid == "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"


def test_directory_digest_insertion_order_does_not_matter() -> None:
    nodes = {name: file_node(name.encode()) for name in ("b", "a", "Z", "ä")}

    backwards = dict(reversed(nodes.items()))

    assert directory_digest(nodes) == directory_digest(backwards)


names = st.text(
    st.characters(exclude_characters="/\\\x7f", exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in {".", ".."})


@given(st.dictionaries(names, st.binary(max_size=30), max_size=8))
def test_parse_directory_any_folder_round_trips(files: dict[str, bytes]) -> None:
    nodes = {name: file_node(data) for name, data in files.items()}

    entries = parse_directory(directory_block(nodes))

    assert {e.name: e.digest for e in entries} == {
        name: node.digest for name, node in nodes.items()
    }
    assert [e.name.encode() for e in entries] == sorted(n.encode() for n in files)


@settings(max_examples=300)
@given(st.data())
def test_parse_directory_any_changed_byte_is_seen_or_harmless(
    data: st.DataObject,
) -> None:
    block = directory_block({"a": file_node(b"1"), "b": file_node(b"2")})
    at = data.draw(st.integers(0, len(block) - 1))
    value = data.draw(st.integers(0, 255))
    changed = block[:at] + bytes([value]) + block[at + 1 :]

    try:
        entries = parse_directory(changed)
    except NodeError:
        return

    # What is accepted is exactly what its entries encode to: nothing is hidden in it.
    nodes = {e.name: FileNode(e.digest, e.tree_bytes, 0) for e in entries}
    assert directory_block(nodes) == changed


@given(st.binary(max_size=200))
def test_parse_directory_any_bytes_raise_node_error_only(block: bytes) -> None:
    with contextlib.suppress(NodeError):
        parse_directory(block)


@given(st.binary(max_size=200))
def test_parse_file_any_bytes_raise_node_error_only(block: bytes) -> None:
    with contextlib.suppress(NodeError):
        parse_file(block)


def test_parse_directory_of_a_file_raises() -> None:
    (leaf,) = file_blocks(b"text")

    with pytest.raises(NodeError, match="not a folder"):
        parse_directory(leaf.block)


def test_parse_directory_doubled_name_raises() -> None:
    block = directory_block({"a": file_node(b"1")})
    link, data = block[:-4], block[-4:]

    with pytest.raises(NodeError, match="canonical"):
        parse_directory(link + link + data)


def test_parse_directory_wrong_order_raises() -> None:
    first = directory_block({"a": file_node(b"1")})
    second = directory_block({"b": file_node(b"2")})

    with pytest.raises(NodeError, match="canonical"):
        parse_directory(second[:-4] + first[:-4] + first[-4:])


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_parse_directory_cut_short_raises(cut: int) -> None:
    block = directory_block({"a": file_node(b"1")})

    with pytest.raises(NodeError):
        parse_directory(block[:-cut])


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/a", "a\\b", "a\x00", "a\n", "\x7f", "x" * 129, "\ud800"],
)
def test_check_name_not_plain_raises(name: str) -> None:
    with pytest.raises(NodeError, match="file name"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "...", ".gitignore", "a b", "ä.txt", "x" * 128])
def test_check_name_plain_is_returned(name: str) -> None:
    assert check_name(name) == name


def test_directory_block_too_many_files_raises() -> None:
    node = file_node(b"")
    nodes = {str(number): node for number in range(MAX_DIRECTORY_ENTRIES + 1)}

    with pytest.raises(NodeError, match=str(MAX_DIRECTORY_ENTRIES)):
        directory_block(nodes)


def test_block_digest_is_the_address_of_the_root_block() -> None:
    (leaf,) = file_blocks(b"text")

    assert block_digest(leaf.block) == file_digest(b"text")
