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
from protocol.documents.prompts import MILLION
from protocol.documents.tokenizer import TokenCodec
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest

__all__ = ["DEFAULT_CHAT_TOKENS", "chat_prompts", "completion_prompts", "draw_seed"]

DEFAULT_COMPLETION_TOKENS = 16
DEFAULT_CHAT_TOKENS = 256
_SEEDS = 1 << 64


def draw_seed() -> int:
    """A seed for a call that has none."""
    return secrets.randbelow(_SEEDS)


def completion_prompts(
    call: CompletionCall, codec: TokenCodec, seed: int
) -> list[PromptRequest]:
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
    decoding = _decoding(call, tokens, logprobs=call.logprobs)
    return _choices(texts, decoding, call.choices, _seed(call, seed))


def chat_prompts(
    call: ChatCall, text: str, ids: Sequence[int], room: int, seed: int
) -> list[PromptRequest]:
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
    decoding = _decoding(call, tokens, logprobs=logprobs)
    return _choices([(text, tuple(ids))], decoding, call.choices, _seed(call, seed))


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
) -> tuple[str, tuple[int, ...] | None]:
    if isinstance(prompt, str):
        return prompt, None
    size = len(codec.vocabulary)
    if max(prompt) >= size:
        raise CallRefused(
            f"the prompt holds the token id {max(prompt)}; the model's vocabulary ends "
            f"at {size - 1}",
            param="prompt",
            code="invalid_value",
        )
    return codec.decode(prompt), tuple(prompt)


def _decoding(
    call: CompletionCall | ChatCall, tokens: int, *, logprobs: int | None
) -> Decoding:
    temperature = 1.0 if call.temperature is None else call.temperature
    top_p = 1.0 if call.top_p is None else call.top_p
    return Decoding(
        max_new_tokens=tokens,
        temperature=round(temperature * MILLION),
        top_k=call.options.top_k or 0,
        # What is finer than a millionth keeps at least one candidate anyway.
        top_p=max(1, round(top_p * MILLION)),
        stop=call.stops,
        stop_ids=(),
        logprobs=logprobs,
    )


def _seed(call: CompletionCall | ChatCall, drawn: int) -> int:
    return drawn if call.seed is None else call.seed % _SEEDS


def _choices(
    texts: Sequence[tuple[str, tuple[int, ...] | None]],
    decoding: Decoding,
    choices: int,
    seed: int,
) -> list[PromptRequest]:
    return [
        PromptRequest(
            text,
            Decoding(seed=(seed + place * choices + choice) % _SEEDS).over(decoding),
            ids,
        )
        for place, (text, ids) in enumerate(texts)
        for choice in range(choices)
    ]
