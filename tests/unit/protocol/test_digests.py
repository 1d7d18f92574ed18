from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.digests import (
    Digest,
    DigestError,
    as_digest,
    cid_to_digest,
    digest_to_cid,
)
from protocol.hexadecimal import from_hex, to_hex

# The empty file and the empty folder of every IPFS node.
EMPTY_FILE_CID = "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"
EMPTY_FILE_HEX = "0xbfccda787baba32b59c78450ac3d20b633360b43992c77289f9ed46d843561e6"


def test_cid_to_digest_known_cid_gives_its_bytes() -> None:
    digest = cid_to_digest(EMPTY_FILE_CID)

    assert to_hex(digest) == EMPTY_FILE_HEX


def test_digest_to_cid_known_digest_gives_its_cid() -> None:
    assert digest_to_cid(Digest(from_hex(EMPTY_FILE_HEX))) == EMPTY_FILE_CID


@given(st.binary(min_size=32, max_size=32))
def test_cid_to_digest_any_digest_round_trips(value: bytes) -> None:
    assert cid_to_digest(digest_to_cid(Digest(value))) == value


@pytest.mark.parametrize(
    "cid",
    [
        "",
        "Qm",
        EMPTY_FILE_CID + "x",
        EMPTY_FILE_CID[:-1],
        " " + EMPTY_FILE_CID[1:],
        EMPTY_FILE_CID[:-1] + "0",
        EMPTY_FILE_CID[:-1] + "ü",
        "/ipfs/" + EMPTY_FILE_CID,
        "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y",
        "Qm" + "z" * 44,
    ],
)
def test_cid_to_digest_anything_else_raises(cid: str) -> None:
    with pytest.raises(DigestError):
        cid_to_digest(cid)


def test_cid_to_digest_huge_text_is_not_repeated_in_the_error() -> None:
    with pytest.raises(DigestError) as caught:
        cid_to_digest("Q" * 1_000_000)

    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("size", [0, 31, 33])
def test_as_digest_wrong_length_raises(size: int) -> None:
    with pytest.raises(DigestError, match=f"got {size}"):
        as_digest(bytes(size))
