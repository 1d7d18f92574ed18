"""From a call to prompts of the market: pure, but for the model's tokenizer.

Choice j of prompt i is a prompt of its own whose seed is the call's seed plus
`i * n + j`, so that the same call with the same seed has the same answer, and choices
differ. Without a seed the gateway draws one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from gateway.completions.schemas import ChatCall, CompletionCall
from gateway.errors import CallRefused
from gateway.jobs.terms import AnswerForm
from protocol.documents.prompts import MAX_SEED, MILLION, Prompt
from protocol.documents.tokenizer import TokenCodec

__all__ = [
    "DEFAULT_CHAT_TOKENS",
    "answer_form",
    "chat_prompts",
    "completion_prompts",
    "draw_seed",
]

DEFAULT_COMPLETION_TOKENS = 16
DEFAULT_CHAT_TOKENS = 256
_SEEDS = MAX_SEED + 1


def draw_seed() -> int:
    """A seed for a call that has none."""
    return secrets.randbelow(_SEEDS)


def completion_prompts(
    call: CompletionCall, codec: TokenCodec, seed: int
) -> list[Prompt]:
    """The prompts of a completion call, those of one text together.

    Args:
        call: The call.
        codec: The model's tokenizer.
        seed: The seed where the call has none.

    Raises:
        CallRefused: Parameters that do not go together, or an unknown token id.
    """
    if call.echo and call.logprobs is not None:
        raise CallRefused(
            "echo cannot be combined with logprobs: the market computes none for the "
            "prompt's own tokens; leave one of them out",
            param="logprobs",
            code="unsupported_parameter",
        )
    _check_stream_options(call)
    tokens = call.max_tokens or DEFAULT_COMPLETION_TOKENS
    texts = [_of_prompt(prompt, codec) for prompt in _listed(call)]
    return _choices(call, texts, tokens, call.logprobs, seed)


def chat_prompts(
    call: ChatCall, text: str, ids: Sequence[int], room: int, seed: int
) -> list[Prompt]:
    """The prompts of a chat call, one for each choice.

    Args:
        call: The call.
        text: The conversation in the form of the model's template.
        ids: Its tokens.
        room: Tokens of the model's context that they leave.
        seed: The seed where the call has none.

    Raises:
        CallRefused: Parameters that do not go together.
    """
    if call.top_logprobs is not None and not call.logprobs:
        raise CallRefused(
            "top_logprobs needs logprobs to be true",
            param="top_logprobs",
            code="invalid_value",
        )
    _check_stream_options(call)
    asked = call.max_completion_tokens or call.max_tokens
    tokens = asked or max(1, min(DEFAULT_CHAT_TOKENS, room))
    logprobs = (call.top_logprobs or 0) if call.logprobs else None
    return _choices(call, [(text, tuple(ids))], tokens, logprobs, seed)


def answer_form(call: CompletionCall | ChatCall) -> AnswerForm:
    """What a call says about the form of its answer."""
    return AnswerForm(
        model=call.model,
        choices=call.choices,
        has_logprobs=call.logprobs is not None and call.logprobs is not False,
        has_echo=isinstance(call, CompletionCall) and bool(call.echo),
        has_usage=call.wants_usage,
    )


def _check_stream_options(call: CompletionCall | ChatCall) -> None:
    if call.stream_options is not None and not call.stream:
        raise CallRefused(
            "stream_options needs stream to be true",
            param="stream_options",
            code="invalid_value",
        )


def _listed(call: CompletionCall) -> list[str | list[int]]:
    prompt = call.prompt
    if isinstance(prompt, str):
        return [prompt]
    ids = [one for one in prompt if isinstance(one, int)]
    return [ids] if ids else [one for one in prompt if not isinstance(one, int)]


def _of_prompt(
    prompt: str | list[int], codec: TokenCodec
) -> tuple[str, tuple[int, ...]]:
    if isinstance(prompt, str):
        if not prompt.strip():
            raise CallRefused(
                "a prompt is empty; write some text",
                param="prompt",
                code="invalid_value",
            )
        return prompt, codec.encode(prompt)
    size = len(codec.vocabulary)
    if max(prompt) >= size:
        raise CallRefused(
            f"the prompt holds the token id {max(prompt)}; the model's vocabulary ends "
            f"at {size - 1}",
            param="prompt",
            code="invalid_value",
        )
    return codec.decode(prompt), tuple(prompt)


def _choices(
    call: CompletionCall | ChatCall,
    texts: Sequence[tuple[str, tuple[int, ...]]],
    tokens: int,
    logprobs: int | None,
    drawn: int,
) -> list[Prompt]:
    """Each text with its token ids, once for every choice."""
    temperature = 1.0 if call.temperature is None else call.temperature
    top_p = 1.0 if call.top_p is None else call.top_p
    shared = {
        "logprobs": 0 if logprobs is None else 1 + logprobs,
        "max_new_tokens": tokens,
        "stop": call.stops,
        "temperature": round(temperature * MILLION),
        "top_k": call.options.top_k or 0,
        # What is finer than a millionth keeps at least one candidate anyway.
        "top_p": max(1, round(top_p * MILLION)),
    }
    outputs = [one for one in texts for _ in range(call.choices)]
    seed = drawn if call.seed is None else call.seed
    return [
        Prompt.model_validate(
            {**shared, "text": text, "ids": ids, "seed": (seed + place) % _SEEDS}
        )
        for place, (text, ids) in enumerate(outputs)
    ]
