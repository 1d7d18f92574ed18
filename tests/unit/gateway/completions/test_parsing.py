from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.parsing import CALLS, CHAT, COMPLETIONS, parse_body
from gateway.completions.schemas import ChatCall, CompletionCall
from gateway.errors import CallRefused

CALL = {"model": "m", "prompt": "secret prompt"}


def refusal(model: type[CompletionCall | ChatCall], body: bytes | str) -> CallRefused:
    with pytest.raises(CallRefused) as caught:
        parse_body(model, body)
    return caught.value


@pytest.mark.parametrize(
    ("given", "param", "words"),
    [
        ({"prompt": 5}, "prompt", "must be a text, a list of texts"),
        ({"prompt": [["a"]]}, "prompt", "must be a text"),
        ({"n": True}, "n", "n is wrong"),
        ({"stop": 3}, "stop", "must be a text of 1 to 64"),
        ({"assay": {"tick": 9}}, "assay.tick", "assay.tick is wrong"),
        ({"tools": None}, "tools", "'tools' is not supported"),
        ({"best_of": 2}, "best_of", "'best_of' is not supported beyond"),
    ],
)
def test_parse_body_of_a_wrong_value_names_it_without_quoting(
    given: dict[str, Any], param: str, words: str
) -> None:
    error = refusal(CompletionCall, json.dumps({**CALL, **given}))
    assert error.param == param
    assert words in str(error)
    assert "secret" not in str(error)


def test_parse_body_without_a_parameter_names_it() -> None:
    error = refusal(CompletionCall, b'{"model": "m"}')
    assert (error.param, error.code) == ("prompt", "missing")


def test_parse_body_of_a_message_says_where_it_is() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]
    error = refusal(ChatCall, json.dumps({"model": "m", "messages": messages}))
    assert error.param == "messages.1.role"


def test_parse_body_of_parts_joins_their_texts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    body = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    call = parse_body(ChatCall, json.dumps(body))
    assert call.messages[0].text == "ab"
    image = [{"type": "image_url", "image_url": {"url": "x"}}]
    body = {"model": "m", "messages": [{"role": "user", "content": image}]}
    assert refusal(ChatCall, json.dumps(body)).param == "messages.0.content"


@given(st.binary(max_size=200))
def test_parse_body_of_any_bytes_parses_or_refuses(body: bytes) -> None:
    for model in CALLS.values():
        assert isinstance(refusal(model, body), CallRefused)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = sorted({*CompletionCall.model_fields, *ChatCall.model_fields, "other"})


@given(st.sampled_from(FIELDS), JSON)
def test_parse_body_with_any_value_parses_or_names_the_parameter(
    field: str, value: object
) -> None:
    messages = [{"role": "user", "content": "x"}]
    for endpoint, call in (
        (COMPLETIONS, {"model": "m", "prompt": "x"}),
        (CHAT, {"model": "m", "messages": messages}),
    ):
        try:
            parse_body(CALLS[endpoint], json.dumps({**call, field: value}))
        except CallRefused as error:
            assert error.param is not None or error.code == "invalid_json"
