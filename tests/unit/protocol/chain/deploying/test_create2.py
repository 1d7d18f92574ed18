"""Addresses by CREATE2, against the examples of EIP-1014."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address

from protocol.chain.deploying import create2


@pytest.mark.parametrize(
    ("deployer", "salt", "code", "address"),
    [
        (
            "0x0000000000000000000000000000000000000000",
            bytes(32),
            "00",
            "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38",
        ),
        (
            "0xdeadbeef00000000000000000000000000000000",
            bytes(32),
            "00",
            "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3",
        ),
        (
            "0x00000000000000000000000000000000deadbeef",
            bytes.fromhex("cafebabe".rjust(64, "0")),
            "deadbeef",
            "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7",
        ),
    ],
)
def test_address_of_equals_the_examples(
    monkeypatch: pytest.MonkeyPatch, deployer: str, salt: bytes, code: str, address: str
) -> None:
    monkeypatch.setattr(create2, "PROXY", to_checksum_address(deployer))
    monkeypatch.setattr(create2, "SALT", salt)
    assert create2.address_of(bytes.fromhex(code)) == address


def test_creation_data_is_salt_and_code() -> None:
    assert create2.creation_data(b"code") == create2.SALT + b"code"
