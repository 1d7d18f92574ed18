"""The official client against a gateway on a real market: answers and streams."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from sqlalchemy import func, select

from gateway.jobs.tables import CallRow
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.types import JobState
from tests.support.network.gateway import GatewayMarket, GatewayProcess

MODEL, CHAT_MODEL = "austen", "austen-chat"
PROMPT = "It was a fine morning, and Emma"


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> openai.OpenAI:
    return gateway.client()


def test_list_models_names_the_operators_model(
    client: openai.OpenAI, market: GatewayMarket
) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == [MODEL, CHAT_MODEL]
    assert listed[0].object == "model"
    shown = client.models.retrieve(MODEL).model_dump()
    assert shown["assay"]["model_id"] == to_hex(market.model_id)
    assert shown["created"] > 0


def test_completion_comes_of_an_accepted_job_with_its_receipt(
    client: openai.OpenAI, gateway: GatewayProcess, market: GatewayMarket
) -> None:
    answer = client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=8, temperature=0
    )
    (choice,) = answer.choices
    assert choice.text
    assert choice.finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8
    origin = answer.model_dump()["assay"]
    job_id = from_hex(origin["job_id"])
    state = market.wallet.state_of(job_id)  # type: ignore[arg-type]
    assert state in (JobState.REVEALING, JobState.ACCEPTED)
    wanted = f"{gateway.url}/v1/receipts/{origin['job_id']}?output=0"
    assert origin["receipt_url"] == wanted


def test_completion_with_a_seed_is_the_same_again(client: openai.OpenAI) -> None:
    texts = {
        client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=6, seed=7)
        .choices[0]
        .text
        for _ in range(2)
    }
    assert len(texts) == 1


def test_completion_of_several_prompts_and_choices_keeps_their_order(
    client: openai.OpenAI,
) -> None:
    prompts = ["Elizabeth walked", "Captain Wentworth"]
    both = client.completions.create(
        model=MODEL, prompt=prompts, n=2, max_tokens=5, seed=40, echo=True
    )
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]
    starts = [prompts[0], prompts[0], prompts[1], prompts[1]]
    for choice, start in zip(both.choices, starts, strict=True):
        assert choice.text.startswith(start)
    # Choice j of prompt i is what the seed plus i * n + j gives alone.
    alone = client.completions.create(
        model=MODEL, prompt=prompts[1], max_tokens=5, seed=43, echo=True
    )
    assert alone.choices[0].text == both.choices[3].text


def test_completion_of_token_ids_equals_that_of_their_text(
    client: openai.OpenAI,
) -> None:
    of_text = client.completions.create(
        model=MODEL, prompt="Emma", max_tokens=4, temperature=0, logprobs=0
    )
    assert of_text.choices[0].logprobs is not None
    of_ids = client.completions.create(
        model=MODEL, prompt=[1], max_tokens=2, temperature=0, echo=True
    )
    assert of_ids.choices[0].text
    with pytest.raises(openai.BadRequestError, match="vocabulary ends"):
        client.completions.create(model=MODEL, prompt=[[1], [99_999]])


def test_completion_with_stop_ends_before_it(client: openai.OpenAI) -> None:
    whole = client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=24, temperature=0
    )
    text = whole.choices[0].text
    stop = text[len(text) // 2 :][:3]
    cut = client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=24, temperature=0, stop=[stop]
    )
    assert cut.choices[0].finish_reason == "stop"
    assert cut.choices[0].text == text[: text.index(stop)]


def test_completion_with_logprobs_tells_them_for_each_token(
    client: openai.OpenAI,
) -> None:
    answer = client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=6, temperature=0, logprobs=3
    )
    told = answer.choices[0].logprobs
    assert told is not None
    assert told.tokens is not None and told.token_logprobs is not None
    assert told.top_logprobs is not None and told.text_offset is not None
    assert "".join(told.tokens) == answer.choices[0].text
    assert all(value <= 0 for value in told.token_logprobs)
    for token, value, top in zip(
        told.tokens, told.token_logprobs, told.top_logprobs, strict=True
    ):
        assert len(top) == 3
        # Greedy decoding takes the likeliest.
        assert top[token] == value == max(top.values())
    assert told.text_offset[0] == 0
    assert told.text_offset == sorted(told.text_offset)


def test_stream_adds_up_to_the_whole_answer_in_order(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": MODEL,
        "prompt": ["Anne said", "Emma"],
        "max_tokens": 7,
        "seed": 3,
        "logprobs": 1,
    }
    whole = client.completions.create(**asked)
    chunks = list(
        client.completions.create(
            **asked,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    *parts, last = chunks
    assert last.choices == []
    assert last.usage == whole.usage
    texts = {0: "", 1: ""}
    seen: list[int] = []
    tokens: dict[int, list[str]] = {0: [], 1: []}
    for chunk in parts:
        (choice,) = chunk.choices
        texts[choice.index] += choice.text
        if choice.logprobs is not None:
            tokens[choice.index] += choice.logprobs.tokens or []
        if choice.finish_reason:
            seen.append(choice.index)
    assert [texts[0], texts[1]] == [choice.text for choice in whole.choices]
    assert [tokens[0], tokens[1]] == [c.logprobs.tokens for c in whole.choices]
    assert seen == [0, 1]


TALK: list[Any] = [
    {"role": "system", "content": "Answer as Emma would."},
    {"role": "user", "content": "  What of Mr. Knightley? "},
]


def test_chat_completion_is_that_of_the_templates_text(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {"model": CHAT_MODEL, "temperature": 0, "max_tokens": 8}
    answer = client.chat.completions.create(messages=TALK, **asked)
    text = "System: Answer as Emma would.\nUser: What of Mr. Knightley?\nAssistant:"
    plain = client.completions.create(prompt=text, **asked)
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == plain.choices[0].text
    assert answer.usage == plain.usage
    assert answer.model_dump()["assay"]["outputs"] == [0]


def test_chat_stream_adds_up_with_its_logprobs(client: openai.OpenAI) -> None:
    asked: dict[str, Any] = {
        "model": CHAT_MODEL,
        "messages": TALK,
        "max_completion_tokens": 6,
        "seed": 4,
        "n": 2,
        "logprobs": True,
        "top_logprobs": 2,
    }
    whole = client.chat.completions.create(**asked)
    for choice in whole.choices:
        assert choice.logprobs is not None and choice.logprobs.content is not None
        told = choice.logprobs.content
        assert "".join(one.token for one in told) == choice.message.content
        assert all(len(one.top_logprobs) == 2 for one in told)
    texts = {0: "", 1: ""}
    for chunk in client.chat.completions.create(**asked, stream=True):
        (part,) = chunk.choices
        texts[part.index] += part.delta.content or ""
    assert [texts[0], texts[1]] == [c.message.content for c in whole.choices]


def test_idempotency_key_repeats_the_answer_and_charges_once(
    gateway: GatewayProcess,
) -> None:
    key_id, key = gateway.key()
    client = gateway.client(key)
    answers = [
        client.completions.create(
            model=MODEL,
            prompt=PROMPT,
            max_tokens=5,
            extra_headers={"Idempotency-Key": "once"},
        )
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    with pytest.raises(openai.ConflictError, match="another call"):
        client.completions.create(
            model=MODEL,
            prompt=PROMPT,
            max_tokens=6,
            extra_headers={"Idempotency-Key": "once"},
        )
    with gateway.database.reading() as session:
        count = (
            select(func.count()).select_from(CallRow).where(CallRow.key_id == key_id)
        )
        assert session.scalars(count).one() == 1
