from __future__ import annotations

import contextlib

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from protocol.chain.abi.contracts import decode_log_fields, decode_parameters, interface
from protocol.chain.abi.reverts import revert_of
from protocol.errors import ContractReverted, RequestError, RpcUnavailable
from protocol.market.events import StakeDeposited, decode_log, topic_of
from protocol.market.types import JobState, OutcomeStatus
from tests.support.market.values import a_job, a_model, an_outcome

MARKET = interface("Marketplace")
LENS = interface("MarketplaceLens")


def test_encode_call_of_a_struct_is_selector_and_encoding() -> None:
    params = a_job()
    data = MARKET.encode_call("jobIdOf", params)
    assert data[4:] == encode([params.abi_type()], [params.to_abi()])


def test_encode_call_with_another_number_of_arguments_raises() -> None:
    with pytest.raises(RequestError, match="withdraw takes 2 arguments, got 1"):
        MARKET.encode_call("withdraw", 5)


def test_encode_call_of_a_struct_with_too_few_members_raises() -> None:
    with pytest.raises(RequestError, match="params has 2 fields, not 12"):
        MARKET.encode_call("postJob", (1, 2))


def test_encode_call_names_an_element_of_a_list() -> None:
    arguments = (a_job(), an_outcome(), bytes(32), 0, bytes(32), [bytes(32), b"short"])
    with pytest.raises(RequestError, match=r"siblings\[1\] is 0x73686f7274"):
        LENS.encode_call("verifyOutput", *arguments)


def test_encode_call_quotes_no_endless_value() -> None:
    with pytest.raises(RequestError) as failure:
        MARKET.encode_call("stateOf", b"x" * 100_000)
    assert len(str(failure.value)) < 200


def test_decode_result_turns_structs_into_twins() -> None:
    spec = a_model()
    data = encode([spec.abi_type()], [spec.to_abi()])
    assert interface("ModelRegistry").decode_result("specOf", data) == spec
    assert MARKET.decode_result("stateOf", (3).to_bytes(32)) is JobState.REVEALING


def test_decode_result_of_an_unknown_enum_member_raises() -> None:
    with pytest.raises(ValueError):
        MARKET.decode_result("stateOf", (7).to_bytes(32))


@given(st.binary(max_size=600))
def test_decode_parameters_of_any_bytes_returns_or_raises_value_error(
    data: bytes,
) -> None:
    outputs = LENS.functions["roundOf"]["outputs"]
    with contextlib.suppress(ValueError):
        decode_parameters(outputs, data)


@given(st.binary(max_size=300))
def test_revert_of_any_bytes_is_a_contract_reverted(data: bytes) -> None:
    for selector in (b"", *MARKET.errors):
        assert isinstance(revert_of(selector + data), ContractReverted)


def test_revert_of_an_error_with_an_enum_and_a_struct_has_twins() -> None:
    outcome = an_outcome()
    error = next(s for s, e in MARKET.errors.items() if e["name"] == "InvalidOutcome")
    body = encode(["bytes32", outcome.abi_type()], [bytes(32), outcome.to_abi()])
    revert = revert_of(error + body)
    assert revert.arguments == (bytes(32), outcome)
    assert isinstance(revert.arguments[1].status, OutcomeStatus)


def test_decode_log_fields_with_a_topic_missing_raises() -> None:
    definition = next(e for e in MARKET.events.values() if e["name"] == "Withdrawn")
    with pytest.raises(ValueError, match="Withdrawn with 2 topics"):
        decode_log_fields(definition, [bytes(32)] * 2, bytes(32))


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
        {"topics": [topic_of(StakeDeposited)]},
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
