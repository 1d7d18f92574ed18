"""From the bytes of a prompts document to an outcome and the bytes of its results."""

from __future__ import annotations

from dataclasses import dataclass

from inference.engine import Engine, Generation, GenerationRequest
from inference.errors import InvalidRequest
from protocol.documents.prompts import Prompt, PromptsDocument
from protocol.documents.results import Finish, Output, ResultsDocument
from protocol.documents.tokenizer import TokenCodec
from protocol.errors import BadDocument
from protocol.market.types import JobParams, ModelSpec, Outcome, OutcomeStatus
from protocol.store.unixfs import file_digest

__all__ = ["Computed", "compute"]


@dataclass(frozen=True, slots=True)
class Computed:
    """A result that is ready to be committed.

    Attributes:
        outcome: What to commit to.
        results: Bytes under `outcome.results_digest`; None for an error outcome.
        reason: Why the outcome is an error; empty otherwise.
    """

    outcome: Outcome
    results: bytes | None = None
    reason: str = ""


def compute(
    prompts: bytes,
    params: JobParams,
    spec: ModelSpec,
    *,
    engine: Engine,
    codec: TokenCodec,
) -> Computed:
    """Run a job. `prompts` must have been checked against `params.prompts_digest`.

    Whether a document is invalid follows from its bytes and the job alone, so every
    honest worker comes to the same outcome.
    """
    try:
        document = _read(prompts, params, spec)
        requests = [_request(prompt) for prompt in document.prompts]
        generations = engine.generate(requests)
    except (BadDocument, InvalidRequest) as error:
        return Computed(Outcome.error(OutcomeStatus.INPUT_INVALID), reason=str(error))
    pairs = zip(document.prompts, generations, strict=True)
    outputs = [_output(codec, prompt, generation) for prompt, generation in pairs]
    results = ResultsDocument.build(params.model_id, params.prompts_digest, outputs)
    data = results.to_bytes()
    outcome = Outcome(
        status=OutcomeStatus.OK,
        token_count=results.token_count(document),
        results_root=results.root(),
        results_digest=file_digest(data),
        fingerprint=bytes(32),
    )
    return Computed(outcome, data)


def _read(prompts: bytes, params: JobParams, spec: ModelSpec) -> PromptsDocument:
    document = PromptsDocument.from_bytes(prompts, max_tokens=params.max_tokens)
    document.check_against(params.model_id, spec)
    if len(document.prompts) != params.prompt_count:
        raise BadDocument(
            f"{len(document.prompts)} prompts, promptCount is {params.prompt_count}"
        )
    if document.max_tokens > params.max_tokens:
        raise BadDocument(
            f"the prompts may take {document.max_tokens} tokens, "
            f"maxTokens is {params.max_tokens}"
        )
    return document


def _request(prompt: Prompt) -> GenerationRequest:
    return GenerationRequest(
        prompt_ids=prompt.ids,
        max_new_tokens=prompt.max_new_tokens,
        seed=prompt.seed,
        temperature=prompt.temperature,
        top_k=prompt.top_k,
        top_p=prompt.top_p,
        stop=tuple(stop.encode() for stop in prompt.stop),
        stop_ids=prompt.stop_ids,
        logprobs=prompt.logprobs - 1 if prompt.logprobs else None,
    )


def _output(codec: TokenCodec, prompt: Prompt, generation: Generation) -> Output:
    return Output(
        finish=Finish(generation.finish.value),
        ids=generation.ids,
        logprobs=tuple(
            ((token_id, of_token.logprob), *of_token.top)
            for token_id, of_token in zip(
                generation.ids, generation.logprobs, strict=bool(prompt.logprobs)
            )
        ),
        text=codec.decode_until(generation.ids, prompt.stop),
    )
