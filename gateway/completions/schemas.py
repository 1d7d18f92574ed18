"""Wire forms of calls: what an OpenAI client may send.

Every field that is not here is refused by name. Some of OpenAI's parameters have one
value that changes nothing; that value is accepted, because many clients always send it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from protocol.documents.canonical import TokenId
from protocol.documents.prompts import (
    MAX_ALTERNATIVES,
    MAX_NEW_TOKENS,
    MAX_SEED,
    MAX_STOP_CHARACTERS,
    MAX_TOP_K,
)

__all__ = [
    "AssayOptions",
    "ChatCall",
    "ChatMessage",
    "CompletionCall",
    "ContentPart",
    "StreamOptions",
]

MAX_CHOICES = 128
# OpenAI's own; a prompt of the market may be hotter.
_MAX_TEMPERATURE = 2
_MAX_STOPS = 4
_Text = Annotated[str, Field(min_length=1)]
_Ids = Annotated[list[TokenId], Field(min_length=1)]
_Stop = Annotated[str, Field(min_length=1, max_length=MAX_STOP_CHARACTERS)]
_Stops = Annotated[list[_Stop], Field(max_length=_MAX_STOPS)]
_NewTokens = Annotated[int, Field(ge=1, le=MAX_NEW_TOKENS)]
_Alternatives = Annotated[int, Field(ge=0, le=MAX_ALTERNATIVES)]
_Nothing = Annotated[dict[str, int], Field(max_length=0)]
_Zero = Annotated[float, Field(ge=0, le=0)]


class _Wire(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )


class StreamOptions(_Wire):
    """How to stream.

    Attributes:
        include_usage: Whether a last chunk tells the tokens used.
    """

    include_usage: bool | None = None


class AssayOptions(_Wire):
    """What the market needs to know and OpenAI has no word for.

    Attributes:
        redundancy: Workers that must run the call, odd; the operator sets the least.
        rounds: Rounds that are paid for: with 2, a second committee decides a split.
        tick: Price step; each doubles the price and reaches more workers.
        top_k: Candidates kept at each token; 0 keeps all.
    """

    redundancy: Annotated[int, Field(ge=1, le=255)] | None = None
    rounds: Annotated[int, Field(ge=1, le=2)] | None = None
    tick: Annotated[int, Field(ge=0, le=7)] | None = None
    top_k: Annotated[int, Field(ge=0, le=MAX_TOP_K)] | None = None


class _Call(_Wire):
    model: Annotated[str, Field(min_length=1, max_length=256)]
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), le=MAX_SEED)] | None = None
    stop: _Stop | _Stops | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=_MAX_TEMPERATURE)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: _NewTokens | None = None
    # Identifies the caller's own user; nothing follows from it.
    user: Annotated[str, Field(max_length=256)] | None = None
    assay: AssayOptions | None = None
    # Only what changes nothing.
    frequency_penalty: _Zero | None = None
    presence_penalty: _Zero | None = None
    logit_bias: _Nothing | None = None

    @property
    def choices(self) -> int:
        """Outputs wanted for each prompt."""
        return 1 if self.n is None else self.n

    @property
    def stops(self) -> tuple[str, ...]:
        """Strings that end an output."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def options(self) -> AssayOptions:
        """The market's options."""
        return AssayOptions() if self.assay is None else self.assay

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the tokens used."""
        return self.stream_options is not None and bool(
            self.stream_options.include_usage
        )


class CompletionCall(_Call):
    """A call of `/v1/completions`.

    Attributes:
        prompt: A text, several, the token ids of one, or those of several.
        echo: Whether the prompt precedes the output.
        logprobs: How many of the likeliest tokens to tell at each place.
    """

    prompt: (
        _Text
        | Annotated[list[_Text], Field(min_length=1)]
        | _Ids
        | Annotated[list[_Ids], Field(min_length=1)]
    )
    echo: bool | None = None
    logprobs: _Alternatives | None = None
    best_of: Literal[1] | None = None
    suffix: Annotated[str, Field(max_length=0)] | None = None


class ContentPart(_Wire):
    """A part of a message's content; only text is understood."""

    type: Literal["text"]
    text: str


class ChatMessage(_Wire):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[ContentPart], Field(min_length=1)]
    name: Annotated[str, Field(max_length=64)] | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class _TextFormat(_Wire):
    type: Literal["text"]


class ChatCall(_Call):
    """A call of `/v1/chat/completions`.

    Attributes:
        messages: The conversation so far.
        max_completion_tokens: Most tokens of the answer; `max_tokens` is its old name.
        logprobs: Whether to tell the log-probability of each token.
        top_logprobs: How many of the likeliest tokens to tell as well.
    """

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=1_000)]
    max_completion_tokens: _NewTokens | None = None
    logprobs: bool | None = None
    top_logprobs: _Alternatives | None = None
    response_format: _TextFormat | None = None
    store: Literal[False] | None = None
