"""Answers of calls, whole or in chunks, made of verified outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.completions.parsing import COMPLETIONS
from gateway.completions.pieces import logprob_of, offsets_of, pieces_of, token_text
from gateway.completions.responses import (
    ChatChoice,
    ChatChunk,
    ChatChunkChoice,
    ChatCompletion,
    ChatDelta,
    ChatLogprobs,
    ChatReply,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    Origin,
    TokenLogprob,
    TopLogprob,
    Usage,
)
from gateway.errors import JobUnsuccessful
from gateway.jobs.market_access import MarketAccess
from gateway.jobs.tables import CallRow
from gateway.jobs.terms import AnswerForm
from protocol.documents.results import Finish, Output
from protocol.documents.tokenizer import TokenCodec
from protocol.hexadecimal import to_hex

__all__ = [
    "Answers",
    "Facts",
    "chat_answer",
    "chat_chunks",
    "completion_answer",
    "completion_chunks",
    "receipt_url",
]


@dataclass(frozen=True, slots=True)
class Facts:
    """What an answer is made of.

    Attributes:
        form: What the call says about it.
        call_id: The answer's id.
        created_at: Unix time of the call, seconds.
        origin: Its job and receipt.
        prompts: Text of each choice's prompt.
        prompt_tokens: Tokens of all prompts, those of a text once for each choice.
        outputs: Output of each choice.
    """

    form: AnswerForm
    call_id: str
    created_at: int
    origin: Origin
    prompts: tuple[str, ...]
    prompt_tokens: int
    outputs: tuple[Output, ...]

    @property
    def usage(self) -> Usage:
        """Tokens used; a prompt counts once, however many choices it has."""
        prompt = self.prompt_tokens // self.form.choices
        new = sum(len(output.ids) for output in self.outputs)
        return Usage(
            prompt_tokens=prompt, completion_tokens=new, total_tokens=prompt + new
        )

    @property
    def head(self) -> dict[str, Any]:
        """What stands in every answer and in every chunk of it."""
        return {
            "id": self.call_id,
            "created": self.created_at,
            "model": self.form.model,
            "assay": self.origin,
        }


# ---------------------------------------------------------------- completions


def completion_answer(facts: Facts, codec: TokenCodec) -> Completion:
    """The whole answer of a completion call."""
    choices = [
        _choice(
            index,
            prompt + output.text,
            _completion_logprobs(facts, output, codec),
            output.finish,
        )
        for index, (prompt, output) in enumerate(_pairs(facts))
    ]
    return Completion(**facts.head, choices=choices, usage=facts.usage)


def completion_chunks(facts: Facts, codec: TokenCodec) -> Iterator[Completion]:
    """The same in chunks: a token each, one choice after the other."""
    for index, (prompt, output) in enumerate(_pairs(facts)):
        whole = _completion_logprobs(facts, output, codec)
        parts = [_choice(index, prompt)] if prompt else []
        for place, piece in enumerate(pieces_of(output, codec)):
            logprobs = None if whole is None else _at(whole, place)
            if piece or logprobs is not None:
                parts.append(_choice(index, piece, logprobs))
        parts.append(_choice(index, "", finish=output.finish))
        for part in parts:
            yield Completion(**facts.head, choices=[part], usage=None)
    if facts.form.has_usage:
        yield Completion(**facts.head, choices=[], usage=facts.usage)


def _pairs(facts: Facts) -> Iterator[tuple[str, Output]]:
    """Outputs, and what is echoed before each."""
    prompts = facts.prompts if facts.form.has_echo else [""] * len(facts.outputs)
    return zip(prompts, facts.outputs, strict=True)


def _choice(
    index: int,
    text: str,
    logprobs: CompletionLogprobs | None = None,
    finish: Finish | None = None,
) -> CompletionChoice:
    return CompletionChoice(
        index=index,
        text=text,
        logprobs=logprobs,
        finish_reason=None if finish is None else finish.value,
    )


def _completion_logprobs(
    facts: Facts, output: Output, codec: TokenCodec
) -> CompletionLogprobs | None:
    if not facts.form.has_logprobs:
        return None
    return CompletionLogprobs(
        tokens=[token_text(token_id, codec) for token_id in output.ids],
        token_logprobs=[logprob_of(pairs[0][1]) for pairs in output.logprobs],
        top_logprobs=[
            {token_text(i, codec): logprob_of(value) for i, value in pairs[1:]}
            for pairs in output.logprobs
        ],
        text_offset=offsets_of(pieces_of(output, codec), 0),
    )


def _at(whole: CompletionLogprobs, place: int) -> CompletionLogprobs:
    return CompletionLogprobs(
        tokens=[whole.tokens[place]],
        token_logprobs=[whole.token_logprobs[place]],
        top_logprobs=[whole.top_logprobs[place]],
        text_offset=[whole.text_offset[place]],
    )


# ---------------------------------------------------------------- chat


def chat_answer(facts: Facts, codec: TokenCodec) -> ChatCompletion:
    """The whole answer of a chat call."""
    choices = [
        ChatChoice(
            index=index,
            message=ChatReply(content=output.text),
            logprobs=_chat_logprobs(facts, output, codec, range(len(output.ids))),
            finish_reason=output.finish.value,
        )
        for index, output in enumerate(facts.outputs)
    ]
    return ChatCompletion(**facts.head, choices=choices, usage=facts.usage)


def chat_chunks(facts: Facts, codec: TokenCodec) -> Iterator[ChatChunk]:
    """The same in chunks: the role, a token each, the reason; choice by choice."""
    for index, output in enumerate(facts.outputs):
        parts = [_delta(index, ChatDelta(role="assistant", content=""))]
        for place, piece in enumerate(pieces_of(output, codec)):
            logprobs = _chat_logprobs(facts, output, codec, [place])
            if piece or logprobs is not None:
                parts.append(_delta(index, ChatDelta(content=piece), logprobs))
        parts.append(_delta(index, ChatDelta(), finish=output.finish))
        for part in parts:
            yield ChatChunk(**facts.head, choices=[part], usage=None)
    if facts.form.has_usage:
        yield ChatChunk(**facts.head, choices=[], usage=facts.usage)


def _delta(
    index: int,
    delta: ChatDelta,
    logprobs: ChatLogprobs | None = None,
    finish: Finish | None = None,
) -> ChatChunkChoice:
    return ChatChunkChoice(
        index=index,
        delta=delta,
        logprobs=logprobs,
        finish_reason=None if finish is None else finish.value,
    )


def _chat_logprobs(
    facts: Facts, output: Output, codec: TokenCodec, places: Sequence[int]
) -> ChatLogprobs | None:
    if not facts.form.has_logprobs:
        return None
    content = []
    for place in places:
        chosen, *likeliest = (_token(*pair, codec) for pair in output.logprobs[place])
        content.append(TokenLogprob(**dict(chosen), top_logprobs=likeliest))
    return ChatLogprobs(content=content)


def _token(token_id: int, value: int, codec: TokenCodec) -> TopLogprob:
    return TopLogprob(
        token=token_text(token_id, codec),
        logprob=logprob_of(value),
        bytes=list(codec.to_bytes([token_id])),
    )


# ---------------------------------------------------------------- of calls


def receipt_url(base_url: str, job_id: bytes, outputs: Sequence[int]) -> str:
    """Where the receipt of some outputs of a job is."""
    wanted = "&".join(f"output={index}" for index in outputs)
    return f"{base_url}/v1/receipts/{to_hex(job_id)}?{wanted}"


class Answers:
    """Makes the answers of calls whose outputs are there."""

    def __init__(self, access: MarketAccess, *, base_url: str) -> None:
        """Take the market, for tokenizers, and the address that callers know."""
        self._access = access
        self._base_url = base_url

    def whole(self, row: CallRow) -> Completion | ChatCompletion:
        """The whole answer. Raises JobUnsuccessful, StoreError, ChainError."""
        facts, codec = self._read(row)
        if row.endpoint == COMPLETIONS:
            return completion_answer(facts, codec)
        return chat_answer(facts, codec)

    def chunks(self, row: CallRow) -> list[Completion] | list[ChatChunk]:
        """The same in chunks."""
        facts, codec = self._read(row)
        if row.endpoint == COMPLETIONS:
            return list(completion_chunks(facts, codec))
        return list(chat_chunks(facts, codec))

    def _read(self, row: CallRow) -> tuple[Facts, TokenCodec]:
        if row.job_id is None or row.first_output is None or row.terms is None:
            raise JobUnsuccessful("the call's answer is not there")
        if row.outputs is None or row.prompts is None or row.form is None:
            raise JobUnsuccessful("the call's answer is not kept any more")
        own = list(range(row.first_output, row.first_output + row.prompt_count))
        facts = Facts(
            form=row.form,
            call_id=row.call_id,
            created_at=int(row.created_at),
            origin=Origin(
                job_id=to_hex(row.job_id),
                receipt_url=receipt_url(self._base_url, row.job_id, own),
                outputs=own,
            ),
            prompts=tuple(prompt.text for prompt in row.prompts),
            prompt_tokens=row.prompt_tokens,
            outputs=row.outputs,
        )
        return facts, self._access.codec_of(row.terms.model_id)
