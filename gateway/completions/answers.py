"""Answers of calls, whole or in chunks, made of verified outputs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from gateway.completions.schemas import ChatCall, CompletionCall
from protocol.documents.results import Output
from protocol.documents.tokenizer import TokenCodec

__all__ = [
    "Facts",
    "chat_answer",
    "chat_chunks",
    "completion_answer",
    "completion_chunks",
]


@dataclass(frozen=True, slots=True)
class Facts:
    """What an answer is made of, besides the call.

    Attributes:
        call_id: The answer's id.
        created_at: Unix time of the call, seconds.
        origin: Its job and receipt.
        prompts: Text of each choice's prompt.
        prompt_tokens: Tokens of all prompts, those of a text once for each choice.
        outputs: Output of each choice.
    """

    call_id: str
    created_at: int
    origin: Origin
    prompts: tuple[str, ...]
    prompt_tokens: int
    outputs: tuple[Output, ...]

    def usage(self, choices: int) -> Usage:
        """Tokens used by a call of so many choices."""
        asked = self.prompt_tokens // choices
        told = sum(len(output.ids) for output in self.outputs)
        return Usage(
            prompt_tokens=asked, completion_tokens=told, total_tokens=asked + told
        )


# ---------------------------------------------------------------- completions


def completion_answer(
    call: CompletionCall, facts: Facts, codec: TokenCodec
) -> Completion:
    """The whole answer of a completion call."""
    choices = [
        CompletionChoice(
            index=index,
            text=_echoed(call, prompt) + output.text,
            logprobs=_completion_logprobs(call, output, codec),
            finish_reason=output.finish.value,
        )
        for index, (prompt, output) in enumerate(_pairs(facts))
    ]
    return _completion(call, facts, choices, facts.usage(call.choices))


def completion_chunks(
    call: CompletionCall, facts: Facts, codec: TokenCodec
) -> Iterator[Completion]:
    """The same in chunks: a token each, one choice after the other."""
    for index, (prompt, output) in enumerate(_pairs(facts)):
        told = _completion_logprobs(call, output, codec)
        if _echoed(call, prompt):
            yield _completion(call, facts, [_part(index, prompt)], None)
        for place, piece in enumerate(pieces_of(output, codec)):
            logprobs = None if told is None else _at(told, place)
            if piece or logprobs is not None:
                yield _completion(call, facts, [_part(index, piece, logprobs)], None)
        end = CompletionChoice(
            index=index, text="", logprobs=None, finish_reason=output.finish.value
        )
        yield _completion(call, facts, [end], None)
    if call.wants_usage:
        yield _completion(call, facts, [], facts.usage(call.choices))


def _pairs(facts: Facts) -> Iterator[tuple[str, Output]]:
    return zip(facts.prompts, facts.outputs, strict=True)


def _echoed(call: CompletionCall, prompt: str) -> str:
    return prompt if call.echo else ""


def _part(
    index: int, text: str, logprobs: CompletionLogprobs | None = None
) -> CompletionChoice:
    return CompletionChoice(
        index=index, text=text, logprobs=logprobs, finish_reason=None
    )


def _completion(
    call: CompletionCall,
    facts: Facts,
    choices: Sequence[CompletionChoice],
    usage: Usage | None,
) -> Completion:
    return Completion(
        id=facts.call_id,
        created=facts.created_at,
        model=call.model,
        choices=list(choices),
        usage=usage,
        assay=facts.origin,
    )


def _completion_logprobs(
    call: CompletionCall, output: Output, codec: TokenCodec
) -> CompletionLogprobs | None:
    if call.logprobs is None:
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


def _at(told: CompletionLogprobs, place: int) -> CompletionLogprobs:
    return CompletionLogprobs(
        tokens=[told.tokens[place]],
        token_logprobs=[told.token_logprobs[place]],
        top_logprobs=[told.top_logprobs[place]],
        text_offset=[told.text_offset[place]],
    )


# ---------------------------------------------------------------- chat


def chat_answer(call: ChatCall, facts: Facts, codec: TokenCodec) -> ChatCompletion:
    """The whole answer of a chat call."""
    choices = [
        ChatChoice(
            index=index,
            message=ChatReply(content=output.text),
            logprobs=_chat_logprobs(call, output, codec, range(len(output.ids))),
            finish_reason=output.finish.value,
        )
        for index, output in enumerate(facts.outputs)
    ]
    return ChatCompletion(
        id=facts.call_id,
        created=facts.created_at,
        model=call.model,
        choices=choices,
        usage=facts.usage(call.choices),
        assay=facts.origin,
    )


def chat_chunks(call: ChatCall, facts: Facts, codec: TokenCodec) -> Iterator[ChatChunk]:
    """The same in chunks: the role, a token each, the reason; choice by choice."""
    for index, output in enumerate(facts.outputs):
        yield _chat_chunk(call, facts, index, ChatDelta(role="assistant", content=""))
        for place, piece in enumerate(pieces_of(output, codec)):
            logprobs = _chat_logprobs(call, output, codec, [place])
            if piece or logprobs is not None:
                delta = ChatDelta(content=piece)
                yield _chat_chunk(call, facts, index, delta, logprobs)
        yield _chat_chunk(call, facts, index, ChatDelta(), end=output)
    if call.wants_usage:
        usage = facts.usage(call.choices)
        yield _chat_chunk(call, facts, None, ChatDelta()).model_copy(
            update={"usage": usage}
        )


def _chat_chunk(
    call: ChatCall,
    facts: Facts,
    index: int | None,
    delta: ChatDelta,
    logprobs: ChatLogprobs | None = None,
    end: Output | None = None,
) -> ChatChunk:
    choices = []
    if index is not None:
        choice = ChatChunkChoice(
            index=index,
            delta=delta,
            logprobs=logprobs,
            finish_reason=None if end is None else end.finish.value,
        )
        choices = [choice]
    return ChatChunk(
        id=facts.call_id,
        created=facts.created_at,
        model=call.model,
        choices=choices,
        usage=None,
        assay=facts.origin,
    )


def _chat_logprobs(
    call: ChatCall, output: Output, codec: TokenCodec, places: Sequence[int]
) -> ChatLogprobs | None:
    if not call.logprobs:
        return None
    content = []
    for place in places:
        (token_id, value), *likeliest = output.logprobs[place]
        content.append(
            TokenLogprob(
                token=token_text(token_id, codec),
                logprob=logprob_of(value),
                bytes=list(codec.to_bytes([token_id])),
                top_logprobs=[_top(i, v, codec) for i, v in likeliest],
            )
        )
    return ChatLogprobs(content=content)


def _top(token_id: int, value: int, codec: TokenCodec) -> TopLogprob:
    return TopLogprob(
        token=token_text(token_id, codec),
        logprob=logprob_of(value),
        bytes=list(codec.to_bytes([token_id])),
    )
