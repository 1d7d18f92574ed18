"""Prompts and results documents: canonical JSON under a digest.

Canonical means: keys sorted, no whitespace, integers and strings only, UTF-8, strings
compared as bytes and never normalised. A document is valid only if writing what was
read gives the same bytes again, so one meaning has one digest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self

from eth_utils.crypto import keccak
from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from protocol.digests import Digest
from protocol.documents.scanner import (
    OUTPUTS,
    PROMPTS,
    DocumentReader,
    Layout,
    ShapeError,
)
from protocol.errors import BadDocument
from protocol.hexadecimal import to_hex
from protocol.market.output_tree import output_root
from protocol.market.types import ModelId, ModelSpec

__all__ = [
    "GREEDY",
    "LOGPROB_SCALE",
    "MAX_DOCUMENT_BYTES",
    "MILLION",
    "Finish",
    "Output",
    "Prompt",
    "PromptsDocument",
    "ResultsDocument",
    "canonical_json",
]

# 64 MiB: a job of the largest size with its text, some room left.
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
MILLION = 1_000_000
GREEDY = 0
LOGPROB_SCALE = 65_536
"""A log-probability in a results document is nats times this."""

_MAX_STOPS = 4
_MAX_STOP_CHARACTERS = 64
_MAX_STOP_IDS = 4
_MAX_TEMPERATURE = 10 * MILLION
# The chosen token and twenty others, as in OpenAI's chat API.
_MAX_LOGPROBS = 21
# Up to here the whole is parsed again to say which field is at fault.
_EXPLAINED_BYTES = 64 * 1024
_QUOTED_CHARACTERS = 80
_HexWord = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
_TokenId = Annotated[int, Field(ge=0, lt=1 << 32)]
_Alternatives = Annotated[tuple[tuple[_TokenId, int], ...], FailFast()]


def canonical_json(value: Any) -> bytes:
    """The one encoding of a value. Raises BadDocument for text that is not UTF-8."""
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except UnicodeEncodeError as error:
        raise BadDocument(f"text with a lone surrogate: {error}") from error


class Finish(StrEnum):
    """Why an output ended."""

    STOP = "stop"
    LENGTH = "length"


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
    )


class Prompt(_Part):
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

    ids: Annotated[tuple[_TokenId, ...], FailFast()] = Field(min_length=1)
    logprobs: int = Field(default=0, ge=0, le=_MAX_LOGPROBS)
    max_new_tokens: int = Field(ge=1, lt=1 << 32)
    seed: int = Field(default=0, ge=0, lt=1 << 64)
    stop: tuple[
        Annotated[str, Field(min_length=1, max_length=_MAX_STOP_CHARACTERS)], ...
    ] = Field(default=(), max_length=_MAX_STOPS)
    stop_ids: tuple[_TokenId, ...] = Field(default=(), max_length=_MAX_STOP_IDS)
    temperature: int = Field(default=GREEDY, ge=0, le=_MAX_TEMPERATURE)
    text: str = ""
    top_k: int = Field(default=0, ge=0, lt=1 << 32)
    top_p: int = Field(default=MILLION, ge=1, le=MILLION)

    @property
    def max_tokens(self) -> int:
        """Tokens that this prompt can cost: its own and the most it may generate."""
        return len(self.ids) + self.max_new_tokens


class Output(_Part):
    """One output: generated ids, their text, and why it ended.

    Attributes:
        finish: Why it ended.
        ids: Generated ids.
        logprobs: As the prompt asked, for each id pairs of a token's id and its
            log-probability in nats times 65536: the chosen one, then the likeliest.
        text: What the ids say.
    """

    finish: Finish = Field(strict=False)
    ids: Annotated[tuple[_TokenId, ...], FailFast()]
    logprobs: Annotated[tuple[_Alternatives, ...], FailFast()]
    text: str

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(_plain(self))

    def hash(self) -> bytes:
        """Keccak-256 of the canonical JSON: what the output tree is made of."""
        return keccak(self.to_bytes())


class _Document(_Part):
    layout: ClassVar[Layout]
    part: ClassVar[type[_Part]]
    parts_key: ClassVar[str]

    version: Literal[1] = 1

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises BadDocument above the size cap."""
        data = canonical_json(_plain(self))
        _require_size(len(data))
        return data

    @classmethod
    def from_bytes(cls, data: bytes, *, max_tokens: int | None = None) -> Self:
        """Parse and validate, within memory in proportion to the document's size.

        Args:
            data: The document.
            max_tokens: Token ids that all parts together may hold; with it, memory
                is in proportion to them. None sets no limit but the document's size.

        Raises:
            BadDocument: Names the field and the value.
        """
        _require_size(len(data))
        reader = DocumentReader(data, cls.layout)
        parts: list[_Part] = []
        try:
            for piece in reader.parts():
                where = f"{cls.parts_key}.{len(parts)}"
                _require_few(reader.id_count, max_tokens, where)
                parts.append(_read_part(cls.part, piece, where))
        except ShapeError as error:
            raise BadDocument(cls._explain(data, error.position)) from None
        return cls.model_validate({**reader.fields, cls.parts_key: tuple(parts)})

    @classmethod
    def _explain(cls, data: bytes, position: int) -> str:
        """What is wrong with bytes of another shape; never nothing."""
        if len(data) <= _EXPLAINED_BYTES:
            try:
                cls.model_validate_json(data)
            except ValidationError as error:
                return _first_fault(error)
        return f"not canonical JSON of this document: byte {position} is out of place"


class PromptsDocument(_Document):
    """What a job asks for: the model and its prompts."""

    layout: ClassVar[Layout] = PROMPTS
    part: ClassVar[type[_Part]] = Prompt
    parts_key: ClassVar[str] = "prompts"

    model_id: _HexWord
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
            if max(prompt.ids) >= spec.vocab_size:
                raise BadDocument(
                    f"prompts[{number}].ids holds {max(prompt.ids)}; "
                    f"the vocabulary ends at {spec.vocab_size - 1}"
                )
            if prompt.max_tokens > spec.context_length:
                raise BadDocument(
                    f"prompts[{number}] has {len(prompt.ids)} tokens and asks for "
                    f"{prompt.max_new_tokens} more; the model's context is "
                    f"{spec.context_length}: shorten the prompt or ask for fewer"
                )


class ResultsDocument(_Document):
    """What honest workers agree on, byte for byte."""

    layout: ClassVar[Layout] = OUTPUTS
    part: ClassVar[type[_Part]] = Output
    parts_key: ClassVar[str] = "outputs"

    model_id: _HexWord
    outputs: tuple[Output, ...] = Field(min_length=1)
    prompts_digest: _HexWord

    @classmethod
    def build(
        cls, model_id: ModelId, prompts_digest: Digest, outputs: Sequence[Output]
    ) -> Self:
        """Assemble the document of a job's outputs, in the order of its prompts."""
        return cls(
            model_id=to_hex(model_id),
            outputs=tuple(outputs),
            prompts_digest=to_hex(prompts_digest),
        )

    def root(self) -> bytes:
        """Merkle root over the outputs."""
        return output_root([output.hash() for output in self.outputs])

    def token_count(self, prompts: PromptsDocument) -> int:
        """Prompt and generated tokens over all prompts: what is paid for."""
        asked = sum(len(prompt.ids) for prompt in prompts.prompts)
        return asked + sum(len(output.ids) for output in self.outputs)


def _plain(part: BaseModel) -> dict[str, Any]:
    return part.model_dump(mode="json", by_alias=True)


def _read_part(kind: type[_Part], piece: bytes, where: str) -> _Part:
    try:
        part = kind.model_validate_json(piece)
    except ValidationError as error:
        raise BadDocument(_first_fault(error, where)) from error
    if canonical_json(_plain(part)) != piece:
        raise BadDocument(f"the bytes of {where} are not canonical JSON")
    return part


def _require_size(size: int) -> None:
    if size > MAX_DOCUMENT_BYTES:
        raise BadDocument(
            f"document of {size} bytes; at most {MAX_DOCUMENT_BYTES} are allowed"
        )


def _require_few(id_count: int, max_tokens: int | None, where: str) -> None:
    if max_tokens is not None and id_count > max_tokens:
        raise BadDocument(
            f"up to {where} there are {id_count} token ids; "
            f"the document may have {max_tokens}"
        )


def _first_fault(error: ValidationError, *above: str) -> str:
    fault = error.errors(include_url=False)[0]
    where = ".".join([*above, *map(str, fault["loc"])]) or "document"
    shown = repr(fault["input"])
    if len(shown) > _QUOTED_CHARACTERS:
        shown = shown[: _QUOTED_CHARACTERS - 3] + "..."
    return f"{where} is {shown}: {fault['msg']}"
