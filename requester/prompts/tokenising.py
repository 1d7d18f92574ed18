"""From a prompt as it is asked to the prompt that workers see: framed, in token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from protocol.documents.prompts import MAX_SEED, Prompt
from protocol.documents.tokenizer import TokenCodec
from protocol.errors import BadTokenizer, RequestError
from protocol.market.types import ModelSpec
from requester.prompts.decoding import Decoding
from requester.prompts.request import PromptRequest
from requester.prompts.tasks import Task, decoding_of, frame

__all__ = ["tokenise", "tokenise_all"]


def tokenise_all(
    requests: Sequence[PromptRequest],
    *,
    task: Task,
    decoding: Decoding,
    spec: ModelSpec,
    codec: TokenCodec,
) -> list[Prompt]:
    """The prompts of one job, in their order.

    Args:
        requests: The prompts as they are asked.
        task: How to frame them.
        decoding: Parameters for all of them; a prompt's own ones win.
        spec: The model.
        codec: Its tokenizer.

    Raises:
        RequestError: There are none, or one is empty or does not fit the model.
    """
    if not requests:
        raise RequestError("there are no prompts; give at least one")
    general = decoding.over(decoding_of(task))
    prompts = []
    for index, request in enumerate(requests):
        try:
            prompt = tokenise(
                request,
                index=index,
                task=task,
                decoding=general,
                spec=spec,
                codec=codec,
            )
        except (RequestError, BadTokenizer) as error:
            raise RequestError(f"prompt {index + 1}: {error}") from error
        prompts.append(prompt)
    return prompts


def tokenise(
    request: PromptRequest,
    *,
    index: int,
    task: Task,
    decoding: Decoding,
    spec: ModelSpec,
    codec: TokenCodec,
) -> Prompt:
    """Frames and tokenises one prompt.

    Args:
        request: The prompt; its own parameters win.
        index: Its place, from 0: what is added to the common seed.
        task: How to frame it.
        decoding: Parameters for all prompts, nothing left unsaid but logprobs.
        spec: The model, which it must fit.
        codec: The model's tokenizer.

    Raises:
        RequestError: It is empty or does not fit the model.
        BadTokenizer: Its text cannot be encoded.
    """
    is_empty = not request.text.strip() if request.ids is None else not request.ids
    if is_empty:
        raise RequestError("it is empty; write some text")
    seed = ((decoding.seed or 0) + index) % (MAX_SEED + 1)
    chosen = request.decoding.over(replace(decoding, seed=seed))
    text = frame(task, request.text)
    values = {
        "ids": codec.encode(text) if request.ids is None else request.ids,
        "logprobs": 0 if chosen.logprobs is None else chosen.logprobs + 1,
        "max_new_tokens": chosen.max_new_tokens,
        "seed": chosen.seed,
        "stop": chosen.stop,
        "stop_ids": chosen.stop_ids or (),
        "temperature": chosen.temperature,
        "text": text,
        "top_k": chosen.top_k,
        "top_p": chosen.top_p,
    }
    prompt = Prompt.model_validate(values)
    misfit = prompt.misfit(spec)
    if misfit is not None:
        raise RequestError(f"it {misfit}")
    return prompt
