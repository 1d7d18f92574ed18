from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.completions.pieces import offsets_of, pieces_of
from protocol.documents.results import Finish, Output
from protocol.documents.tokenizer import TokenCodec
from tests.support.models.tokenizers import byte_tokenizer

# One id for each byte, so every character beyond ASCII is made of several tokens.
CODEC = TokenCodec.from_bytes(byte_tokenizer())


def an_output(ids: list[int], stop: tuple[str, ...] = ()) -> Output:
    text = CODEC.decode_until(ids, stop)
    return Output(finish=Finish.STOP, ids=tuple(ids), logprobs=(), text=text)


@given(st.lists(st.integers(0, 255), max_size=60))
def test_pieces_of_any_tokens_add_up_to_the_text(ids: list[int]) -> None:
    output = an_output(ids)
    pieces = pieces_of(output, CODEC)
    assert "".join(pieces) == output.text
    assert len(pieces) == len(ids)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=3))
def test_pieces_of_a_text_cut_by_a_stop_add_up_to_what_is_left(
    text: str, stop: str
) -> None:
    output = an_output(list(CODEC.encode(text + stop + "beyond")), (stop,))
    assert "".join(pieces_of(output, CODEC)) == output.text
    assert stop not in output.text


def test_pieces_of_a_split_character_come_with_its_last_token() -> None:
    assert pieces_of(an_output(list(CODEC.encode("aé"))), CODEC) == ["a", "", "é"]


def test_offsets_of_pieces_count_characters_from_the_start() -> None:
    assert offsets_of(["ab", "", "é"], 5) == [5, 7, 7]
