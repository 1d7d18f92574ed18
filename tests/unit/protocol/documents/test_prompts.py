from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st

from protocol.documents.canonical import MAX_DOCUMENT_BYTES, canonical_json
from protocol.documents.prompts import MILLION, Prompt, PromptsDocument
from protocol.errors import BadDocument
from protocol.market.types import ModelId
from tests.support.market.values import a_model

MODEL = ModelId(b"\xab" * 32)
MODEL_HEX = "0x" + "ab" * 32
SPEC = a_model(vocab_size=100, context_length=16)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PROMPTS = st.builds(
    # Not the class itself: its signature has the aliases.
    lambda **fields: Prompt(**fields),
    ids=st.lists(st.integers(0, 99), min_size=1, max_size=8).map(tuple),
    max_new_tokens=st.integers(1, 8),
    seed=st.integers(0, 2**64 - 1),
    stop=st.lists(TEXT.filter(bool), max_size=4).map(tuple),
    temperature=st.integers(0, 10 * MILLION),
    text=TEXT,
    top_k=st.integers(0, 2**32 - 1),
    top_p=st.integers(1, MILLION),
)


def document(*prompts: Prompt) -> PromptsDocument:
    return PromptsDocument(model_id=MODEL_HEX, prompts=prompts)


def plain(**changes: Any) -> dict[str, Any]:
    prompt = {
        "ids": [1, 2],
        "logprobs": 0,
        "maxNewTokens": 3,
        "seed": 0,
        "stop": [],
        "stopIds": [],
        "temperature": 0,
        "text": "a",
        "topK": 0,
        "topP": MILLION,
    }
    prompt.update(changes)
    return {"modelId": MODEL_HEX, "prompts": [prompt], "version": 1}


def test_from_bytes_reads_what_the_specification_shows() -> None:
    parsed = PromptsDocument.from_bytes(canonical_json(plain()))
    assert parsed == document(Prompt(ids=(1, 2), max_new_tokens=3, text="a"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ids": []}, "ids"),
        ({"ids": [-1]}, "ids.0"),
        ({"ids": [1.0]}, "ids.0"),
        ({"ids": ["1"]}, "ids.0"),
        ({"ids": [True]}, "ids.0"),
        ({"maxNewTokens": 0}, "maxNewTokens"),
        ({"seed": 2**64}, "seed"),
        ({"seed": -1}, "seed"),
        ({"stop": [""]}, "stop.0"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ["a" * 65]}, "stop.0"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 0.7}, "temperature"),
        ({"topP": 0}, "topP"),
        ({"topP": MILLION + 1}, "topP"),
        ({"topK": -1}, "topK"),
        ({"logprobs": -1}, "logprobs"),
        ({"logprobs": 22}, "logprobs"),
        ({"stopIds": [1, 2, 3, 4, 5]}, "stopIds"),
        ({"stopIds": [-1]}, "stopIds.0"),
        ({"extra": 1}, "extra"),
        ({"text": 5}, "text"),
    ],
)
def test_from_bytes_bad_field_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadDocument, match=f"prompts.0.{field}"):
        PromptsDocument.from_bytes(canonical_json(plain(**changes)))


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(plain()).encode(),
        canonical_json(plain()) + b"\n",
        canonical_json(plain()).replace(b'"seed":0', b'"seed":00'),
        canonical_json(plain()).replace(b'"seed":0', b'"seed":0,"seed":0'),
        canonical_json(plain()).replace(b'"text":"a"', b'"text":"\\u0061"'),
        canonical_json(plain()).replace(b'"seed":0,', b""),
        b"\xff",
        b"",
        b"[" * 100_000,
        canonical_json(plain(text="x")).replace(b'"x"', b'"\\ud800"'),
    ],
)
def test_from_bytes_not_canonical_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        PromptsDocument.from_bytes(data)


def test_from_bytes_too_large_is_refused_before_parsing() -> None:
    with pytest.raises(BadDocument, match=f"at most {MAX_DOCUMENT_BYTES}"):
        PromptsDocument.from_bytes(b"{" + b" " * MAX_DOCUMENT_BYTES)


def test_from_bytes_strings_are_never_normalised() -> None:
    composed, decomposed = "é", "e\u0301"
    first = document(Prompt(ids=(1,), max_new_tokens=1, text=composed)).to_bytes()
    second = document(Prompt(ids=(1,), max_new_tokens=1, text=decomposed)).to_bytes()
    assert first != second
    assert PromptsDocument.from_bytes(second).prompts[0].text == decomposed


def test_check_against_fitting_document_passes() -> None:
    document(Prompt(ids=(99,), max_new_tokens=15)).check_against(MODEL, SPEC)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(ids=(100,), max_new_tokens=1), "vocabulary ends at 99"),
        (Prompt(ids=(1,) * 10, max_new_tokens=7), "context is 16"),
    ],
)
def test_check_against_beyond_the_model_is_refused(
    prompt: Prompt, message: str
) -> None:
    good = Prompt(ids=(1,), max_new_tokens=1)
    with pytest.raises(BadDocument, match=rf"prompts\[1\].*{message}"):
        document(good, prompt).check_against(MODEL, SPEC)


def test_check_against_other_model_is_refused() -> None:
    with pytest.raises(BadDocument, match="modelId"):
        document(Prompt(ids=(1,), max_new_tokens=1)).check_against(
            ModelId(bytes(32)), SPEC
        )


def test_max_tokens_counts_prompts_and_answers() -> None:
    prompts = (
        Prompt(ids=(1, 2), max_new_tokens=3),
        Prompt(ids=(1,), max_new_tokens=4),
    )
    assert document(*prompts).max_tokens == 10
