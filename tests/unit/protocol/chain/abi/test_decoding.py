from __future__ import annotations

import pytest

from protocol.chain.abi.decoding import decode_log, topic_of
from protocol.errors import RpcUnavailable
from protocol.market.events import StakeDeposited


def _raw_log(**changes: object) -> dict[str, object]:
    return {
        "address": "0x" + "ab" * 20,
        "topics": [topic_of(StakeDeposited), "0x" + "00" * 31 + "01"],
        "data": "0x" + "00" * 31 + "05",
        "blockNumber": "0x10",
        "blockHash": "0x" + "cd" * 32,
        "transactionHash": "0x" + "ef" * 32,
        "logIndex": "0x2",
        **changes,
    }


def test_decode_log_of_a_deposit_has_amount_and_place() -> None:
    log = decode_log(_raw_log())
    assert log is not None
    assert log.event == StakeDeposited("0x" + "00" * 19 + "01", 5)  # type: ignore[arg-type]
    assert (log.block_number, log.log_index) == (16, 2)
    assert log.block_hash == "0x" + "cd" * 32
    assert log.address == "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"


@pytest.mark.parametrize("topics", [[], ["0x" + "12" * 32]])
def test_decode_log_of_another_event_is_none(topics: list[str]) -> None:
    assert decode_log(_raw_log(topics=topics)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"data": "0x"},
        {"data": None},
        {"blockNumber": None},
        {"address": "0x12"},
        {"logIndex": "two"},
    ],
)
def test_decode_log_of_a_malformed_log_raises_rpc_unavailable(
    changes: dict[str, object],
) -> None:
    with pytest.raises(RpcUnavailable, match="malformed log"):
        decode_log(_raw_log(**changes))


def test_decode_log_with_a_topic_missing_says_how_many_there_are() -> None:
    with pytest.raises(RpcUnavailable, match="StakeDeposited with 1 topics"):
        decode_log(_raw_log(topics=[topic_of(StakeDeposited)]))
