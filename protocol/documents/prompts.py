"""The prompts document: what a job asks for, and the limits of a prompt."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import FailFast, Field

from protocol.documents.canonical import (
    CanonicalDocument,
    CanonicalPart,
    TokenId,
)
from protocol.documents.scanner import PROMPTS, Layout
from protocol.errors import BadDocument
from protocol.hexadecimal import to_hex
from protocol.market.types import ModelId, ModelSpec
from protocol.strict_model import HexWord

__all__ = [
    "GREEDY",
    "MAX_ALTERNATIVES",
    "MAX_NEW_TOKENS",
    "MAX_SEED",
    "MAX_STOPS",
    "MAX_STOP_CHARACTERS",
    "MAX_STOP_IDS",
    "MAX_TEMPERATURE",
    "MAX_TOP_K",
    "MILLION",
    "Prompt",
    "PromptsDocument",
]

MILLION = 1_000_000
"""Temperatures and probability masses are integers in millionths."""

GREEDY = 0
"""The temperature at which the likeliest token is taken."""

MAX_NEW_TOKENS = (1 << 32) - 1
MAX_SEED = (1 << 64) - 1
MAX_STOPS = 4
MAX_STOP_CHARACTERS = 64
MAX_STOP_IDS = 4
MAX_TEMPERATURE = 10 * MILLION
MAX_TOP_K = (1 << 32) - 1
MAX_ALTERNATIVES = 20
"""Most of the likeliest tokens told beside a chosen one, as in OpenAI's chat API."""


class Prompt(CanonicalPart):
    """One prompt with its decoding parameters.

    Attributes:
        ids: Token ids; with the other fields, all but `text`, they decide the result.
        logprobs: Pairs of id and log-probability wanted for each generated token: 0
            for none, 1 for the chosen token's, more for the likeliest ones too.
        max_new_tokens: Most tokens to generate.
        seed: Seed of the sampler, 0 to 2**64 - 1.
        stop: Up to four strings that end the output.
        stop_ids: Up to four token ids that end the output and are not part of it.
        temperature: In millionths; 0 is greedy.
        text: What the ids were made of, for people.
        top_k: Number of candidates kept; 0 keeps all.
        top_p: Probability mass kept, in millionths.
    """

    ids: Annotated[tuple[TokenId, ...], FailFast()] = Field(min_length=1)
    logprobs: int = Field(default=0, ge=0, le=1 + MAX_ALTERNATIVES)
    max_new_tokens: int = Field(ge=1, le=MAX_NEW_TOKENS)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)
    stop: tuple[
        Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARACTERS)], ...
    ] = Field(default=(), max_length=MAX_STOPS)
    stop_ids: tuple[TokenId, ...] = Field(default=(), max_length=MAX_STOP_IDS)
    temperature: int = Field(default=GREEDY, ge=0, le=MAX_TEMPERATURE)
    text: str = ""
    top_k: int = Field(default=0, ge=0, le=MAX_TOP_K)
    top_p: int = Field(default=MILLION, ge=1, le=MILLION)

    @property
    def max_tokens(self) -> int:
        """Tokens that this prompt can cost: its own and the most it may generate."""
        return len(self.ids) + self.max_new_tokens

    def misfit(self, spec: ModelSpec) -> str | None:
        """Why a model cannot run it, to follow a subject; None if it can."""
        if max(self.ids) >= spec.vocab_size:
            return (
                f"holds the token id {max(self.ids)}; the model's vocabulary ends at "
                f"{spec.vocab_size - 1}"
            )
        if self.max_tokens > spec.context_length:
            return (
                f"has {len(self.ids)} tokens and asks for {self.max_new_tokens} more; "
                f"the model's context is {spec.context_length}: shorten the prompt or "
                "ask for fewer new tokens"
            )
        return None


class PromptsDocument(CanonicalDocument):
    """What a job asks for: the model and its prompts."""

    layout: ClassVar[Layout] = PROMPTS
    part: ClassVar[type[CanonicalPart]] = Prompt
    parts_key: ClassVar[str] = "prompts"

    model_id: HexWord
    prompts: tuple[Prompt, ...] = Field(min_length=1)

    @property
    def max_tokens(self) -> int:
        """Least `maxTokens` of a job with these prompts."""
        return sum(prompt.max_tokens for prompt in self.prompts)

    def check_against(self, model_id: ModelId, spec: ModelSpec) -> None:
        """Check what only the model decides.

        Raises:
            BadDocument: Another model is named, an id is not in the vocabulary, or a
                prompt with its answer exceeds the context.
        """
        if self.model_id != to_hex(model_id):
            raise BadDocument(f"modelId is {self.model_id}, not {to_hex(model_id)}")
        for number, prompt in enumerate(self.prompts):
            misfit = prompt.misfit(spec)
            if misfit is not None:
                raise BadDocument(f"prompts[{number}] {misfit}")
