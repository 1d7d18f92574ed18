"""The inference port: what an engine is asked, answers and refuses.

Engines see token ids and bytes only. Fractions travel as integers in millionths,
so a request means the same on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from inference.errors import (
    ContextOverflow,
    InvalidLength,
    InvalidLogprobs,
    InvalidPrompt,
    InvalidRequest,
    InvalidSampling,
    InvalidStop,
    InvalidThreads,
)

MAX_THREADS = 256
"""Most CPU threads of one model."""

MILLION = 1_000_000
"""Scale of `temperature` and `top_p`: one million means 1.0."""

MAX_SEED = 2**64 - 1
MAX_TEMPERATURE = 100 * MILLION
MAX_TOP_K = 2**32 - 1
MAX_STOP_STRINGS = 16
MAX_STOP_BYTES = 256
MAX_STOP_IDS = 16
MAX_LOGPROBS = 20
"""Most likeliest tokens that a request may have listed."""


class FinishReason(StrEnum):
    """Why generation ended, as written in results documents."""

    STOP = "stop"
    """The model ended the text or gave a stop id, or a stop string was completed."""

    LENGTH = "length"
    """`max_new_tokens` were generated without either."""


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What a loaded model accepts.

    Attributes:
        vocab_size: Token ids are 0 to `vocab_size - 1`.
        context_length: Most tokens of prompt and answer together.
        end_of_text: The id that ends a text, or None if the model has none.
    """

    vocab_size: int
    context_length: int
    end_of_text: int | None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt and how to continue it.

    Attributes:
        prompt_ids: The prompt's token ids, at least one.
        max_new_tokens: Most tokens to generate, at least 1.
        seed: Seed of the sampler, 0 to 2**64 - 1; unused when greedy.
        temperature: In millionths; 0 is greedy, ties going to the lowest id.
        top_k: Sample among this many likeliest tokens; 0, or more than the
            vocabulary has, keeps them all.
        top_p: Sample among the likeliest tokens whose probabilities reach this
            sum, in millionths, 1 to 1,000,000 (off).
        stop: Byte strings; generation ends with the token that completes one.
        stop_ids: Token ids; generation ends before one, as before end-of-text.
        logprobs: None for no log-probabilities, or how many of the likeliest
            tokens to list beside the one chosen, 0 to 20.
    """

    prompt_ids: tuple[int, ...]
    max_new_tokens: int
    seed: int = 0
    temperature: int = 0
    top_k: int = 0
    top_p: int = MILLION
    stop: tuple[bytes, ...] = ()
    stop_ids: tuple[int, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """How likely one generated token was, at temperature 1, before any cut.

    Log-probabilities are integers: natural logarithms times 65,536.

    Attributes:
        logprob: Of the token that was chosen.
        top: Id and log-probability of the likeliest tokens, likeliest first; the
            chosen one may be among them.
    """

    logprob: int
    top: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """An engine's answer to one request.

    Attributes:
        ids: Generated ids only: with the token that completed a stop string,
            without the end-of-text token and without a stop id.
        finish: Why generation ended.
        logprobs: One for each of `ids` if the request asked for them, else none.
    """

    ids: tuple[int, ...]
    finish: FinishReason
    logprobs: tuple[TokenLogprobs, ...] = ()


class Engine(Protocol):
    """Continues prompts; the answer to a request depends on that request alone."""

    @property
    def profile(self) -> str:
        """Name of the arithmetic profile, e.g. `float-dev`."""

    @property
    def limits(self) -> ModelLimits:
        """What the loaded model accepts."""

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Generation]:
        """Answers every request, in order.

        All requests are checked before any is computed.

        Raises:
            InvalidRequest: A request is malformed or beyond the model's limits.
            NumericsError: The model's logits are not finite.
        """


def validate_request(
    request: GenerationRequest, limits: ModelLimits, name: str = "request"
) -> None:
    """Checks a request against a model's limits.

    Args:
        request: What to check.
        limits: Limits of the model that would answer.
        name: How error messages call the request, e.g. `requests[2]`.

    Raises:
        InvalidPrompt: No ids, or an id that is no integer of the vocabulary.
        InvalidLength: `max_new_tokens` is not a positive integer.
        ContextOverflow: Prompt and `max_new_tokens` exceed the context.
        InvalidSampling: Seed, temperature, top-k or top-p out of range.
        InvalidStop: A stop string is empty or too long, a stop id is not of the
            vocabulary, or there are too many.
        InvalidLogprobs: `logprobs` is neither None nor 0 to 20.
    """
    _validate_prompt(request.prompt_ids, limits, name)
    _validate_length(request, limits, name)
    _validate_sampling(request, name)
    _validate_stop(request.stop, name)
    _validate_stop_ids(request.stop_ids, limits, name)
    _validate_logprobs(request.logprobs, name)


def validate_requests(
    requests: Sequence[GenerationRequest], limits: ModelLimits
) -> None:
    """Checks a batch; errors name the request by its place in it.

    Raises:
        InvalidRequest: As `validate_request`.
    """
    for index, request in enumerate(requests):
        validate_request(request, limits, f"requests[{index}]")


def check_threads(threads: object) -> None:
    """Checks a number of CPU threads. Raises InvalidThreads."""
    if not _is_integer(threads, 1, MAX_THREADS):
        raise InvalidThreads(
            "threads", threads, "out of range", f"give 1 to {MAX_THREADS}"
        )


def _is_integer(value: object, lowest: int, highest: int) -> bool:
    # bool is an int in Python, but True is no token id and no seed.
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return lowest <= value <= highest


def _is_stop_string(value: object) -> bool:
    return isinstance(value, bytes) and 1 <= len(value) <= MAX_STOP_BYTES


def _validate_ids(
    ids: tuple[int, ...],
    limits: ModelLimits,
    field: str,
    error: type[InvalidRequest],
    remedy: str,
) -> None:
    highest = limits.vocab_size - 1
    for place, token_id in enumerate(ids):
        if not _is_integer(token_id, 0, highest):
            problem = f"not a token id of this model (0 to {highest})"
            raise error(f"{field}[{place}]", token_id, problem, remedy)


def _validate_prompt(ids: tuple[int, ...], limits: ModelLimits, name: str) -> None:
    field = f"{name}.prompt_ids"
    if not ids:
        raise InvalidPrompt(
            field, ids, "the prompt has no tokens", "give at least one token id"
        )
    remedy = "encode the text with the tokenizer of the same model package"
    _validate_ids(ids, limits, field, InvalidPrompt, remedy)


def _validate_length(
    request: GenerationRequest, limits: ModelLimits, name: str
) -> None:
    field, asked = f"{name}.max_new_tokens", request.max_new_tokens
    if not _is_integer(asked, 1, MAX_SEED):
        raise InvalidLength(
            field, asked, "not a positive integer", "ask for at least 1 new token"
        )
    prompt = len(request.prompt_ids)
    room = limits.context_length - prompt
    if asked <= room:
        return
    remedy = (
        f"ask for at most {room} new tokens or shorten the prompt"
        if room > 0
        else f"shorten the prompt to at most {limits.context_length - 1} tokens"
    )
    raise ContextOverflow(
        field,
        asked,
        f"{prompt} prompt tokens + {asked} new tokens exceed the model's context "
        f"of {limits.context_length}",
        remedy,
    )


def _validate_sampling(request: GenerationRequest, name: str) -> None:
    ranges = (
        ("seed", request.seed, 0, MAX_SEED),
        ("temperature", request.temperature, 0, MAX_TEMPERATURE),
        ("top_k", request.top_k, 0, MAX_TOP_K),
        ("top_p", request.top_p, 1, MILLION),
    )
    for field, value, lowest, highest in ranges:
        if not _is_integer(value, lowest, highest):
            unit = " (millionths)" if field in ("temperature", "top_p") else ""
            raise InvalidSampling(
                f"{name}.{field}",
                value,
                "out of range",
                f"give an integer from {lowest} to {highest}{unit}",
            )


def _validate_stop(stop: tuple[bytes, ...], name: str) -> None:
    field = f"{name}.stop"
    _validate_count(stop, MAX_STOP_STRINGS, field, "stop strings")
    for place, string in enumerate(stop):
        if not _is_stop_string(string):
            raise InvalidStop(
                f"{field}[{place}]",
                string,
                "not a byte string of usable length",
                f"give 1 to {MAX_STOP_BYTES} bytes",
            )


def _validate_stop_ids(ids: tuple[int, ...], limits: ModelLimits, name: str) -> None:
    field = f"{name}.stop_ids"
    _validate_count(ids, MAX_STOP_IDS, field, "stop ids")
    remedy = "look it up in the tokenizer of the same model package"
    _validate_ids(ids, limits, field, InvalidStop, remedy)


def _validate_count(
    given: tuple[object, ...], maximum: int, field: str, what: str
) -> None:
    if len(given) > maximum:
        raise InvalidStop(
            field, given, f"{len(given)} {what}", f"give at most {maximum}"
        )


def _validate_logprobs(count: int | None, name: str) -> None:
    if count is not None and not _is_integer(count, 0, MAX_LOGPROBS):
        raise InvalidLogprobs(
            f"{name}.logprobs",
            count,
            "out of range",
            f"give an integer from 0 to {MAX_LOGPROBS}, or none",
        )
