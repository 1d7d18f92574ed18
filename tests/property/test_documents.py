"""Documents: one meaning has one encoding, and nothing else is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.digests import Digest
from protocol.documents.canonical import canonical_json
from protocol.documents.prompts import MILLION, Prompt, PromptsDocument
from protocol.documents.results import Finish, Output, ResultsDocument
from protocol.errors import BadDocument
from protocol.hexadecimal import to_hex
from protocol.market.types import ModelId

MODEL = ModelId(b"\xab" * 32)
IDS = st.lists(st.integers(0, 2**32 - 1), max_size=12).map(tuple)
# All text that has a UTF-8 form, with what JSON escapes and what looks like JSON.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from('"\\/{}[],:\b\f\n\r\t\x00\x1f\x7f\u2028\ufeff'),
    ),
    max_size=30,
)


def a_prompt(**fields: Any) -> Prompt:
    # Not the class itself: its signature has the aliases.
    return Prompt(**fields)


def an_output(**fields: Any) -> Output:
    return Output(**fields)


PROMPTS = st.builds(
    a_prompt,
    ids=IDS.filter(bool),
    logprobs=st.integers(0, 21),
    max_new_tokens=st.integers(1, 2**32 - 1),
    seed=st.integers(0, 2**64 - 1),
    stop=st.lists(TEXT.filter(bool), max_size=4).map(tuple),
    stop_ids=IDS.map(lambda ids: ids[:4]),
    temperature=st.integers(0, 10 * MILLION),
    text=TEXT,
    top_k=st.integers(0, 2**32 - 1),
    top_p=st.integers(1, MILLION),
)
PAIRS = st.tuples(st.integers(0, 2**32 - 1), st.integers(-(2**40), 0))
OUTPUTS = st.builds(
    an_output,
    finish=st.sampled_from(Finish),
    ids=IDS,
    logprobs=st.lists(st.lists(PAIRS, max_size=3).map(tuple), max_size=4).map(tuple),
    text=TEXT,
)
ASKED = st.lists(PROMPTS, min_size=1, max_size=4).map(
    lambda prompts: PromptsDocument(model_id=to_hex(MODEL), prompts=tuple(prompts))
)
ANSWERED = st.lists(OUTPUTS, min_size=1, max_size=4).map(
    lambda outputs: ResultsDocument.build(MODEL, Digest(b"\xcd" * 32), outputs)
)
DOCUMENTS = st.one_of(ASKED, ANSWERED)


@given(DOCUMENTS)
def test_from_bytes_any_document_comes_back(
    document: PromptsDocument | ResultsDocument,
) -> None:
    written = document.to_bytes()
    assert type(document).from_bytes(written) == document
    assert type(document).from_bytes(written).to_bytes() == written


@given(DOCUMENTS)
def test_to_bytes_is_what_the_specification_calls_canonical(
    document: PromptsDocument | ResultsDocument,
) -> None:
    """Keys sorted, no whitespace, UTF-8: said once more, by Python's own reader."""
    written = document.to_bytes()
    value = json.loads(written, parse_float=pytest.fail, parse_constant=pytest.fail)
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again.encode() == written


@given(DOCUMENTS, st.data())
def test_from_bytes_one_byte_changed_is_another_document_or_refused(
    document: PromptsDocument | ResultsDocument, data: st.DataObject
) -> None:
    written = document.to_bytes()
    at = data.draw(st.integers(0, len(written) - 1))
    changed = bytearray(written)
    changed[at] = data.draw(st.integers(0, 255))
    assume(changed != written)
    kind = type(document)
    try:
        read = kind.from_bytes(bytes(changed))
    except BadDocument:
        return
    assert read != document
    assert read.to_bytes() == bytes(changed)


@given(DOCUMENTS, st.data())
def test_from_bytes_bytes_put_in_or_left_out_never_mean_the_same(
    document: PromptsDocument | ResultsDocument, data: st.DataObject
) -> None:
    """No whitespace, padding or doubled key gives a second encoding."""
    written = document.to_bytes()
    start = data.draw(st.integers(0, len(written)))
    end = data.draw(st.integers(start, min(start + 8, len(written))))
    filling = data.draw(
        st.one_of(
            st.binary(max_size=4),
            st.sampled_from([b" ", b"\n", b"0", b"-0", b".0", b"e0", b",", b"\\u0061"]),
        )
    )
    changed = written[:start] + filling + written[end:]
    assume(changed != written)
    try:
        read = type(document).from_bytes(changed)
    except BadDocument:
        return
    assert read != document
    assert read.to_bytes() == changed


@given(DOCUMENTS, st.sampled_from([1, " ", None]))
def test_from_bytes_other_formatting_of_the_same_is_refused(
    document: PromptsDocument | ResultsDocument, indent: Any
) -> None:
    value = json.loads(document.to_bytes())
    for text in (json.dumps(value, indent=indent), json.dumps(value)):
        with pytest.raises(BadDocument):
            type(document).from_bytes(text.encode())


@given(st.binary(max_size=300))
def test_from_bytes_any_bytes_are_read_alike_or_refused(data: bytes) -> None:
    for kind in (PromptsDocument, ResultsDocument):
        try:
            assert kind.from_bytes(data).to_bytes() == data
        except BadDocument as error:
            assert 0 < len(str(error)) < 1_000


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda children: st.lists(children) | st.dictionaries(TEXT, children),
    max_leaves=12,
)


@given(ASKED, st.data(), JSON)
def test_from_bytes_any_value_in_any_place_is_read_alike_or_refused(
    document: PromptsDocument, data: st.DataObject, value: Any
) -> None:
    tree = json.loads(document.to_bytes())
    holder = data.draw(st.sampled_from([tree, tree["prompts"][0]]))
    key = data.draw(st.sampled_from(sorted(holder) + ["extra"]))
    holder[key] = value
    changed = canonical_json(tree)
    try:
        assert PromptsDocument.from_bytes(changed).to_bytes() == changed
    except BadDocument as error:
        assert len(str(error)) < 1_000


@given(DOCUMENTS, st.integers(-2, 2))
def test_from_bytes_more_ids_than_allowed_are_refused(
    document: PromptsDocument | ResultsDocument, spare: int
) -> None:
    parts = (
        document.prompts if isinstance(document, PromptsDocument) else document.outputs
    )
    allowed = sum(len(part.ids) for part in parts) + spare
    written = document.to_bytes()
    if spare >= 0:
        assert type(document).from_bytes(written, max_tokens=allowed) == document
    else:
        with pytest.raises(BadDocument, match="token ids"):
            type(document).from_bytes(written, max_tokens=allowed)
