"""The results document: what honest workers agree on, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Self

from eth_utils.crypto import keccak
from pydantic import FailFast, Field

from protocol.digests import Digest
from protocol.documents.canonical import (
    CanonicalDocument,
    CanonicalPart,
    TokenId,
)
from protocol.documents.prompts import PromptsDocument
from protocol.documents.scanner import OUTPUTS, Layout
from protocol.hexadecimal import to_hex
from protocol.market.output_tree import output_root
from protocol.market.types import ModelId
from protocol.strict_model import HexWord

__all__ = ["LOGPROB_SCALE", "Finish", "Output", "ResultsDocument"]

LOGPROB_SCALE = 65_536
"""A log-probability in a results document is nats times this."""

_Alternatives = Annotated[tuple[tuple[TokenId, int], ...], FailFast()]


class Finish(StrEnum):
    """Why an output ended."""

    STOP = "stop"
    LENGTH = "length"


class Output(CanonicalPart):
    """One output: generated ids, their text, and why it ended.

    Attributes:
        finish: Why it ended.
        ids: Generated ids.
        logprobs: As the prompt asked, for each id pairs of a token's id and its
            log-probability in nats times 65536: the chosen one, then the likeliest.
        text: What the ids say.
    """

    finish: Finish = Field(strict=False)
    ids: Annotated[tuple[TokenId, ...], FailFast()]
    logprobs: Annotated[tuple[_Alternatives, ...], FailFast()]
    text: str

    def hash(self) -> bytes:
        """Keccak-256 of the canonical JSON: what the output tree is made of."""
        return keccak(self.to_bytes())


class ResultsDocument(CanonicalDocument):
    """What honest workers agree on, byte for byte."""

    layout: ClassVar[Layout] = OUTPUTS
    part: ClassVar[type[CanonicalPart]] = Output
    parts_key: ClassVar[str] = "outputs"

    model_id: HexWord
    outputs: tuple[Output, ...] = Field(min_length=1)
    prompts_digest: HexWord

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
