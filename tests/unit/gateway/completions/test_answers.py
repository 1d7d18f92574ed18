from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.completions.answers import (
    Facts,
    chat_answer,
    chat_chunks,
    completion_answer,
    completion_chunks,
)
from gateway.completions.responses import Origin
from gateway.jobs.terms import AnswerForm
from protocol.documents.results import Finish, Output
from protocol.documents.tokenizer import TokenCodec
from tests.support.models.tokenizers import byte_tokenizer

CODEC = TokenCodec.from_bytes(byte_tokenizer())
ORIGIN = Origin(job_id="0x01", receipt_url="http://g/v1/receipts/0x01", outputs=[4, 5])


def an_output(text: str, finish: Finish = Finish.LENGTH) -> Output:
    ids = CODEC.encode(text)
    pairs = tuple(((i, -65_536), (i, -65_536), (9, -131_072)) for i in ids)
    return Output(finish=finish, ids=ids, logprobs=pairs, text=text)


FACTS = Facts(
    form=AnswerForm("m", choices=2),
    call_id="cmpl-1",
    created_at=7,
    origin=ORIGIN,
    prompts=("p", "p"),
    prompt_tokens=6,
    outputs=(an_output("hé"), an_output("x", Finish.STOP)),
)


def facts(**form: Any) -> Facts:
    return replace(FACTS, form=replace(FACTS.form, **form))


def test_completion_answer_counts_a_prompt_once_for_all_choices() -> None:
    answer = completion_answer(FACTS, CODEC)
    assert answer.usage is not None
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 4)
    assert usage.total_tokens == 7
    assert [choice.text for choice in answer.choices] == ["hé", "x"]
    assert [choice.finish_reason for choice in answer.choices] == ["length", "stop"]
    assert answer.assay == ORIGIN
    assert answer.choices[0].logprobs is None


def test_completion_answer_with_echo_precedes_it_with_the_prompt() -> None:
    answer = completion_answer(facts(has_echo=True), CODEC)
    assert [choice.text for choice in answer.choices] == ["phé", "px"]


def test_completion_answer_with_logprobs_tells_nats() -> None:
    told = completion_answer(facts(has_logprobs=True), CODEC).choices[0].logprobs
    assert told is not None
    assert told.token_logprobs == [-1.0, -1.0, -1.0]
    assert told.text_offset == [0, 1, 1]
    assert told.top_logprobs[0]["h"] == -1.0
    assert len(told.top_logprobs[0]) == 2


def test_completion_chunks_end_each_choice_and_tell_usage_last() -> None:
    wanted = facts(has_echo=True, has_usage=True)
    *chunks, last = completion_chunks(wanted, CODEC)
    told = [(c.choices[0].index, c.choices[0].text) for c in chunks]
    assert told == [(0, "p"), (0, "h"), (0, "é"), (0, ""), (1, "p"), (1, "x"), (1, "")]
    ends = [c.choices[0].finish_reason for c in chunks]
    assert ends == [None, None, None, "length", None, None, "stop"]
    assert last.choices == []
    assert last.usage == completion_answer(FACTS, CODEC).usage
    assert all(chunk.usage is None for chunk in chunks)


def test_chat_answer_and_chunks_say_the_same() -> None:
    wanted = facts(has_logprobs=True)
    answer = chat_answer(wanted, CODEC)
    assert [choice.message.content for choice in answer.choices] == ["hé", "x"]
    chunks = list(chat_chunks(wanted, CODEC))
    for choice in answer.choices:
        parts = [c.choices[0] for c in chunks if c.choices[0].index == choice.index]
        assert parts[0].delta.role == "assistant"
        text = "".join(part.delta.content or "" for part in parts)
        assert text == choice.message.content
        assert parts[-1].finish_reason == choice.finish_reason
        told = [x for p in parts if p.logprobs for x in p.logprobs.content]
        assert choice.logprobs is not None
        assert told == choice.logprobs.content
    assert answer.choices[0].logprobs is not None
    first = answer.choices[0].logprobs.content[0]
    assert (first.token, first.logprob, first.bytes) == ("h", -1.0, [ord("h")])
    assert len(first.top_logprobs) == 2
