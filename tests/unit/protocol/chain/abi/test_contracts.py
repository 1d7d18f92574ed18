from __future__ import annotations

import contextlib

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from protocol.chain.abi.contracts import decode_parameters, interface
from protocol.chain.abi.reverts import revert_of
from protocol.errors import ContractReverted, RequestError
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
