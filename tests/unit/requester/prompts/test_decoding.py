from __future__ import annotations

import pytest

from protocol.errors import RequestError
from requester.prompts.decoding import Decoding


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_new_tokens": 0}, "maxNewTokens is 0; give 1 to"),
        ({"temperature": -1}, "temperature in millionths is -1"),
        ({"temperature": 10_000_001}, "temperature in millionths is 10000001"),
        ({"top_k": -1}, "topK is -1"),
        ({"top_p": 0}, "topP in millionths is 0; give 1 to 1000000"),
        ({"top_p": 1_000_001}, "topP in millionths is 1000001"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"stop": ("a", "b", "c", "d", "e")}, "stop has 5 strings; give at most 4"),
        ({"stop": ("",)}, "stop holds a string of 0 characters"),
        ({"stop": ("\ud800",)}, "stop holds .* no Unicode text"),
        ({"stop_ids": (1, 2, 3, 4, 5)}, "stopIds has 5 ids; give at most 4"),
        ({"stop_ids": (-1,)}, "stopIds holds -1; give token ids"),
        ({"logprobs": 21}, "logprobs is 21; give 0 to 20"),
        ({"stop": ("x" * 65,)}, "stop holds a string of 65 characters"),
    ],
)
def test_decoding_value_out_of_range_is_named(
    values: dict[str, int], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        Decoding(**values)  # type: ignore[arg-type]


def test_over_what_was_said_wins_even_if_it_is_zero() -> None:
    general = Decoding(max_new_tokens=9, temperature=500_000, stop=("x",), seed=4)
    merged = Decoding(temperature=0, stop=()).over(general)
    assert merged == Decoding(max_new_tokens=9, temperature=0, stop=(), seed=4)
