from __future__ import annotations

from typing import Any

import pytest

from gateway.completions.schemas import (
    AssayOptions,
    ChatCall,
    ChatMessage,
    CompletionCall,
)
from gateway.completions.translating import chat_prompts, completion_prompts
from gateway.errors import CallRefused
from protocol.documents.tokenizer import TokenCodec
from tests.support.models.tokenizers import byte_tokenizer

CODEC = TokenCodec.from_bytes(byte_tokenizer())
HELLO = [ChatMessage(role="user", content="Hello")]


def completion(**given: Any) -> CompletionCall:
    return CompletionCall(**{"model": "m", "prompt": "x", **given})


def test_completion_prompts_by_default_are_openais_defaults() -> None:
    (prompt,) = completion_prompts(completion(), CODEC, seed=5)
    assert (prompt.text, prompt.ids) == ("x", CODEC.encode("x"))
    assert prompt.max_new_tokens == 16
    assert (prompt.temperature, prompt.top_p) == (1_000_000, 1_000_000)
    assert (prompt.top_k, prompt.seed, prompt.stop) == (0, 5, ())
    assert prompt.logprobs == 0


def test_completion_prompts_give_each_choice_a_seed_of_its_own() -> None:
    call = completion(prompt=["a", "b"], n=3, seed=-1)
    prompts = completion_prompts(call, CODEC, seed=0)
    assert [prompt.text for prompt in prompts] == list("aaabbb")
    seeds = [prompt.seed for prompt in prompts]
    assert seeds == [(1 << 64) - 1, 0, 1, 2, 3, 4]


def test_completion_prompts_of_fractions_are_millionths() -> None:
    call = completion(temperature=0.7, top_p=0.1, assay=AssayOptions(top_k=4))
    (prompt,) = completion_prompts(call, CODEC, seed=0)
    assert prompt.temperature == 700_000
    assert prompt.top_p == 100_000
    assert prompt.top_k == 4
    (finest,) = completion_prompts(completion(top_p=1e-12), CODEC, seed=0)
    assert finest.top_p == 1


def test_completion_prompts_of_ids_keep_them_beside_their_text() -> None:
    ids = list(CODEC.encode("hé"))
    (one,) = completion_prompts(completion(prompt=ids), CODEC, seed=0)
    assert (one.text, one.ids) == ("hé", tuple(ids))
    two = completion_prompts(completion(prompt=[ids, ids[:1]]), CODEC, seed=0)
    assert [prompt.ids for prompt in two] == [tuple(ids), tuple(ids[:1])]
    with pytest.raises(CallRefused, match="vocabulary ends at 255"):
        completion_prompts(completion(prompt=[256]), CODEC, seed=0)


def test_completion_prompts_with_echo_and_logprobs_are_refused() -> None:
    with pytest.raises(CallRefused) as caught:
        completion_prompts(completion(echo=True, logprobs=0), CODEC, seed=0)
    assert caught.value.param == "logprobs"


def test_chat_prompts_take_the_newer_name_of_the_limit() -> None:
    call = ChatCall(
        model="m", messages=HELLO, max_tokens=5, max_completion_tokens=9, n=2
    )
    prompts = chat_prompts(call, "t", [1, 2], room=100, seed=7)
    assert [prompt.ids for prompt in prompts] == [(1, 2)] * 2
    assert {prompt.max_new_tokens for prompt in prompts} == {9}
    assert [prompt.seed for prompt in prompts] == [7, 8]


def test_chat_prompts_without_a_limit_fill_the_room_up_to_a_bound() -> None:
    call = ChatCall(model="m", messages=HELLO)
    for room, tokens in ((40, 40), (9_000, 256), (0, 1)):
        (prompt,) = chat_prompts(call, "t", [1], room=room, seed=0)
        assert prompt.max_new_tokens == tokens


def test_chat_prompts_ask_for_logprobs_as_far_as_wanted() -> None:
    for given, wanted in (
        ({"logprobs": True}, 1),
        ({"logprobs": True, "top_logprobs": 4}, 5),
        ({"logprobs": False}, 0),
    ):
        call = ChatCall(model="m", messages=HELLO, **given)
        (prompt,) = chat_prompts(call, "t", [1], room=9, seed=0)
        assert prompt.logprobs == wanted
    with pytest.raises(CallRefused, match="top_logprobs needs"):
        call = ChatCall(model="m", messages=HELLO, top_logprobs=1)
        chat_prompts(call, "t", [1], room=9, seed=0)
