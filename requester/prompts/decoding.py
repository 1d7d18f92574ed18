"""Decoding parameters of a prompt, each of which may be left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from protocol.documents.prompts import (
    MAX_ALTERNATIVES,
    MAX_NEW_TOKENS,
    MAX_SEED,
    MAX_STOP_CHARACTERS,
    MAX_STOP_IDS,
    MAX_STOPS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MILLION,
)
from protocol.errors import RequestError

__all__ = ["Decoding"]

# Name, minimum and maximum of every integer; the names are those of a JSONL line.
_RANGES = {
    "max_new_tokens": ("maxNewTokens", 1, MAX_NEW_TOKENS),
    "temperature": ("temperature in millionths", 0, MAX_TEMPERATURE),
    "top_k": ("topK", 0, MAX_TOP_K),
    "top_p": ("topP in millionths", 1, MILLION),
    "seed": ("seed", 0, MAX_SEED),
    "logprobs": ("logprobs", 0, MAX_ALTERNATIVES),
}


@dataclass(frozen=True, slots=True)
class Decoding:
    """Decoding parameters; None for those that are left open.

    Attributes:
        max_new_tokens: Most tokens to generate.
        temperature: In millionths, up to 10.0; 0 is greedy.
        top_k: Candidates kept; 0 keeps all.
        top_p: Probability mass kept, in millionths.
        seed: Seed of the sampler, 0 to 2**64 - 1.
        stop: Up to four strings that end an output.
        stop_ids: Up to four token ids that end an output.
        logprobs: Log-probabilities wanted of each generated token: its own and those
            of this many likeliest tokens, up to 20.

    Raises:
        RequestError: A value is out of range.
    """

    max_new_tokens: int | None = None
    temperature: int | None = None
    top_k: int | None = None
    top_p: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] | None = None
    stop_ids: tuple[int, ...] | None = None
    logprobs: int | None = None

    def __post_init__(self) -> None:
        """Check every value that was given."""
        for field, (name, minimum, maximum) in _RANGES.items():
            value = getattr(self, field)
            if value is not None and not minimum <= value <= maximum:
                raise RequestError(f"{name} is {value}; give {minimum} to {maximum}")
        _check_stops(self.stop or ())
        _check_stop_ids(self.stop_ids or ())

    def over(self, fallback: Self) -> Self:
        """These parameters, with the fallback's for those that are left open."""
        merged = {}
        for field in fields(self):
            mine = getattr(self, field.name)
            merged[field.name] = getattr(fallback, field.name) if mine is None else mine
        return type(self)(**merged)

    def to_json(self) -> dict[str, Any]:
        """The parameters that were given, as a JSON value."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`, also after lists have taken the place of tuples."""
        lists = {k: tuple(v) for k, v in value.items() if isinstance(v, list)}
        return cls(**{**value, **lists})


def _check_stops(stops: tuple[str, ...]) -> None:
    if len(stops) > MAX_STOPS:
        raise RequestError(f"stop has {len(stops)} strings; give at most {MAX_STOPS}")
    for stop in stops:
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            raise RequestError(
                f"stop holds a string of {len(stop)} characters; "
                f"give 1 to {MAX_STOP_CHARACTERS}"
            )
        _require_unicode(stop)


def _check_stop_ids(ids: tuple[int, ...]) -> None:
    if len(ids) > MAX_STOP_IDS:
        raise RequestError(f"stopIds has {len(ids)} ids; give at most {MAX_STOP_IDS}")
    for token_id in ids:
        if not 0 <= token_id < 1 << 32:
            raise RequestError(f"stopIds holds {token_id}; give token ids of the model")


def _require_unicode(stop: str) -> None:
    try:
        stop.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"stop holds {stop!r}, which is no Unicode text; give well-formed text"
        ) from error
