from __future__ import annotations

from typing import Any

import pytest

from protocol.chain.rpc.header import encode_header

# Fields in the order of the Yellow Paper, each of another size.
SMALLEST: dict[str, Any] = {
    "parentHash": "0x" + "11" * 32,
    "sha3Uncles": "0x" + "22" * 32,
    "miner": "0x" + "33" * 20,
    "stateRoot": "0x" + "44" * 32,
    "transactionsRoot": "0x" + "55" * 32,
    "receiptsRoot": "0x" + "66" * 32,
    "logsBloom": "0x" + "00" * 256,
    "difficulty": "0x0",
    "number": "0x7f",
    "gasLimit": "0x80",
    "gasUsed": "0x100",
    "timestamp": "0xffffffff",
    "extraData": "0x",
    "mixHash": "0x" + "77" * 32,
    "nonce": "0x" + "00" * 8,
}


def test_encode_header_follows_the_rules_of_rlp() -> None:
    content = b"".join(b"\xa0" + bytes([d]) * 32 for d in (0x11, 0x22))
    content += b"\x94" + b"\x33" * 20
    content += b"".join(b"\xa0" + bytes([d]) * 32 for d in (0x44, 0x55, 0x66))
    content += b"\xb9\x01\x00" + bytes(256)
    # Zero is the empty string, a byte below 128 itself, and 128 is not.
    content += b"\x80" + b"\x7f" + b"\x81\x80" + b"\x82\x01\x00"
    content += b"\x84\xff\xff\xff\xff" + b"\x80"
    content += b"\xa0" + b"\x77" * 32 + b"\x88" + bytes(8)
    expected = b"\xf9" + len(content).to_bytes(2) + content
    assert encode_header(SMALLEST) == expected


def test_encode_header_appends_what_later_forks_added() -> None:
    later = {
        "slotNumber": "0x9",
        "blockAccessListHash": "0x" + "ee" * 32,
        "requestsHash": "0x" + "dd" * 32,
        "parentBeaconBlockRoot": "0x" + "cc" * 32,
        "excessBlobGas": "0x0",
        "blobGasUsed": "0x20000",
        "withdrawalsRoot": "0x" + "bb" * 32,
        "baseFeePerGas": "0x7",
    }
    header = encode_header({**SMALLEST, **later, "size": "0x1", "uncles": []})
    tail = b"\x07" + b"\xa0" + b"\xbb" * 32 + b"\x83\x02\x00\x00" + b"\x80"
    tail += b"".join(b"\xa0" + bytes([d]) * 32 for d in (0xCC, 0xDD, 0xEE)) + b"\x09"
    assert header.endswith(bytes(8) + tail)


@pytest.mark.parametrize("value", [None, 5, "11", "0xzz", b"\x00"])
def test_encode_header_of_a_bad_field_raises(value: object) -> None:
    with pytest.raises(ValueError):
        encode_header({**SMALLEST, "stateRoot": value})
