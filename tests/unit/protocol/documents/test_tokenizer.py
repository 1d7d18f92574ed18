"""The text rule: vectors, round trips, and tokenizer files that are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.documents.tokenizer import MAX_TOKENIZER_BYTES, TokenCodec, byte_alphabet
from protocol.errors import BadTokenizer

VECTORS = json.loads(
    (Path(__file__).parents[3] / "vectors" / "text.json").read_text(encoding="utf-8")
)
END_OF_TEXT = 256
TH = 257


def tokenizer_json() -> dict[str, Any]:
    """A tokenizer whose first 256 ids are the bytes, then end-of-text and "th"."""
    special = {
        "id": END_OF_TEXT,
        "content": "<|endoftext|>",
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {**byte_alphabet(), "<|endoftext|>": END_OF_TEXT, "th": TH},
            "merges": [["t", "h"]],
        },
    }


def codec_of(document: object) -> TokenCodec:
    return TokenCodec.from_bytes(json.dumps(document).encode())


@pytest.fixture(scope="module")
def codec() -> TokenCodec:
    return codec_of(tokenizer_json())


def _names(section: str) -> list[str]:
    return [vector["name"] for vector in VECTORS[section]]


@pytest.mark.parametrize("vector", VECTORS["decode"], ids=_names("decode"))
def test_decode_vector_matches(codec: TokenCodec, vector: dict[str, str]) -> None:
    ids = list(bytes.fromhex(vector["bytes"]))

    assert codec.decode(ids) == vector["text"]


@pytest.mark.parametrize("vector", VECTORS["decodeUntil"], ids=_names("decodeUntil"))
def test_decode_until_vector_matches(codec: TokenCodec, vector: dict[str, Any]) -> None:
    ids = list(bytes.fromhex(vector["bytes"]))

    assert codec.decode_until(ids, vector["stop"]) == vector["text"]


@pytest.mark.parametrize("vector", VECTORS["byteAlphabet"])
def test_byte_alphabet_vector_matches(vector: dict[str, Any]) -> None:
    assert byte_alphabet()[vector["character"]] == vector["byte"]


def test_byte_alphabet_all_bytes_covers_each_once() -> None:
    assert sorted(byte_alphabet().values()) == list(range(256))


def test_vocabulary_merged_and_special_tokens_are_their_bytes(
    codec: TokenCodec,
) -> None:
    assert codec.vocabulary[END_OF_TEXT] == b"<|endoftext|>"
    assert codec.vocabulary[TH] == b"th"
    assert codec.vocabulary[0x20] == b" "
    assert len(codec.vocabulary) == 258


def test_encode_text_applies_merges(codec: TokenCodec) -> None:
    assert codec.encode("the") == (TH, ord("e"))


def test_encode_empty_text_returns_no_ids(codec: TokenCodec) -> None:
    assert codec.encode("") == ()


def test_encode_spelled_special_token_stays_text(codec: TokenCodec) -> None:
    ids = codec.encode("a<|endoftext|>b")

    assert END_OF_TEXT not in ids
    assert codec.decode(ids) == "a<|endoftext|>b"


def test_encode_file_with_padding_and_truncation_ignores_both() -> None:
    document = tokenizer_json()
    document["truncation"] = {
        "direction": "Right",
        "max_length": 2,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    document["padding"] = {
        "strategy": {"Fixed": 8},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "!",
    }

    assert codec_of(document).encode("abcd") == (97, 98, 99, 100)


def test_encode_lone_surrogate_raises(codec: TokenCodec) -> None:
    with pytest.raises(BadTokenizer, match="lone surrogate at character 1"):
        codec.encode("a\ud800")


@given(st.text())
def test_decode_of_encode_any_text_round_trips(text: str) -> None:
    codec = ROUND_TRIP

    assert codec.decode(codec.encode(text)) == text


@given(st.binary(), st.integers(0, 40))
def test_to_bytes_any_ids_concatenates(data: bytes, cut: int) -> None:
    codec = ROUND_TRIP

    assert codec.to_bytes(data[:cut]) + codec.to_bytes(data[cut:]) == data


@given(st.binary(max_size=30), st.lists(st.text("ab\u00e9", min_size=1), max_size=3))
def test_decode_until_any_bytes_is_prefix_without_stop(
    data: bytes, stop: list[str]
) -> None:
    text = ROUND_TRIP.decode_until(data, stop)

    assert ROUND_TRIP.decode(data).startswith(text)
    assert not any(string in text for string in stop)


@pytest.mark.parametrize("token_id", [-1, 258, 2**64])
def test_decode_id_out_of_range_raises(codec: TokenCodec, token_id: int) -> None:
    with pytest.raises(BadTokenizer, match=f"{token_id} is not of this vocabulary"):
        codec.decode([0, token_id])


def test_decode_until_empty_stop_raises(codec: TokenCodec) -> None:
    with pytest.raises(BadTokenizer, match=r"stop\[1\]"):
        codec.decode_until([97], ["x", ""])


def test_decode_until_lone_surrogate_stop_raises(codec: TokenCodec) -> None:
    with pytest.raises(BadTokenizer, match=r"stop\[0\] has a lone surrogate"):
        codec.decode_until([97], ["\udc00"])


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"model": {}}'],
    ids=["empty", "cut off", "list", "null", "not UTF-8", "nested", "no vocabulary"],
)
def test_from_bytes_not_a_tokenizer_raises(data: bytes) -> None:
    with pytest.raises(BadTokenizer, match="use the tokenizer.json of"):
        TokenCodec.from_bytes(data)


def test_from_bytes_too_large_raises() -> None:
    with pytest.raises(BadTokenizer, match="more than"):
        TokenCodec.from_bytes(b" " * (MAX_TOKENIZER_BYTES + 1))


def _drop_an_id(document: dict[str, Any]) -> None:
    del document["model"]["vocab"]["a"]


def _number_from_one(document: dict[str, Any]) -> None:
    document["added_tokens"] = []
    document["model"] = {**document["model"], "vocab": {"a": 1}, "merges": []}


def _spell_outside_alphabet(document: dict[str, Any]) -> None:
    document["model"]["vocab"]["\u2581the"] = 258


def _use_word_pieces(document: dict[str, Any]) -> None:
    document["model"]["type"] = "WordPiece"


def _drop_decoder(document: dict[str, Any]) -> None:
    document["decoder"] = None


def _break_merges(document: dict[str, Any]) -> None:
    document["model"]["merges"] = [["q", "qqq"]]


def _use_text_ids(document: dict[str, Any]) -> None:
    document["model"]["vocab"]["a"] = "97"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_drop_an_id, "are not 0 to n - 1"),
        (_number_from_one, "are not 0 to n - 1"),
        (_spell_outside_alphabet, "outside the byte alphabet"),
        (_use_word_pieces, "not a byte-level BPE"),
        (_drop_decoder, "not a byte-level BPE"),
        (_break_merges, "not valid"),
        (_use_text_ids, "are not 0 to n - 1"),
    ],
)
def test_from_bytes_unusable_tokenizer_raises(
    spoil: Callable[[dict[str, Any]], None], message: str
) -> None:
    document = tokenizer_json()
    spoil(document)

    with pytest.raises(BadTokenizer, match=message):
        codec_of(document)


ROUND_TRIP = codec_of(tokenizer_json())
