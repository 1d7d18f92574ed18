from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.hexadecimal import checksum_address, from_hex, to_hex

WORD = "0xbfccda787baba32b59c78450ac3d20b633360b43992c77289f9ed46d843561e6"


def test_to_hex_writes_lower_case_digits_after_0x() -> None:
    assert (to_hex(b"\x00\xab"), to_hex(b"")) == ("0x00ab", "0x")


@given(st.binary())
def test_from_hex_of_any_bytes_round_trips(value: bytes) -> None:
    assert from_hex(to_hex(value), len(value)) == value
    assert from_hex("0x" + to_hex(value)[2:].upper()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        WORD[2:],
        WORD + "0",
        WORD + "00",
        WORD[:-1],
        WORD[:-1] + "g",
        WORD + "\n",
        WORD[:32] + " " + WORD[32:],
        WORD[:32] + "  " + WORD[34:],
        "0X" + WORD[2:],
        "0x",
        None,
        7,
    ],
)
def test_from_hex_of_anything_else_raises(text: str) -> None:
    with pytest.raises(ValueError, match="is not 0x and 64 hexadecimal digits"):
        from_hex(text, 32)


def test_from_hex_of_a_huge_text_does_not_repeat_it() -> None:
    with pytest.raises(ValueError, match="not 0x and an even number of") as caught:
        from_hex("Q" * 1_000_000)
    assert len(str(caught.value)) < 200


def test_checksum_address_takes_any_case_and_bytes() -> None:
    mixed = "0x00000000000000000000000000000000DeaDBeef"
    assert checksum_address(mixed.lower()) == mixed
    assert checksum_address(from_hex(mixed)) == mixed
    with pytest.raises(ValueError):
        checksum_address("0x12")
