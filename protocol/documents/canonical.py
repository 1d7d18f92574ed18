"""Canonical JSON under a digest: what prompts and results documents have in common.

Canonical means: keys sorted, no whitespace, integers and strings only, UTF-8, strings
compared as bytes and never normalised. A document is valid only if writing what was
read gives the same bytes again, so one meaning has one digest.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError

from protocol.documents.scanner import DocumentReader, Layout, ShapeError
from protocol.errors import BadDocument
from protocol.strict_model import StrictModel

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "CanonicalDocument",
    "CanonicalPart",
    "TokenId",
    "canonical_json",
]

# 64 MiB: a job of the largest size with its text, some room left.
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

# Up to here the whole is parsed again to say which field is at fault.
_EXPLAINED_BYTES = 64 * 1024
_QUOTED_CHARACTERS = 80

TokenId = Annotated[int, Field(ge=0, lt=1 << 32)]
"""A token id of any vocabulary."""


def canonical_json(value: Any) -> bytes:
    """The one encoding of a value. Raises BadDocument for text that is not UTF-8."""
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except UnicodeEncodeError as error:
        raise BadDocument(f"text with a lone surrogate: {error}") from error


class CanonicalPart(StrictModel):
    """A prompt or an output: one object of a document."""

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))


class CanonicalDocument(CanonicalPart):
    """A document: parts of one kind, and what is said about all of them."""

    layout: ClassVar[Layout]
    part: ClassVar[type[CanonicalPart]]
    parts_key: ClassVar[str]

    version: Literal[1] = 1

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises BadDocument above the size cap."""
        data = super().to_bytes()
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
        parts: list[CanonicalPart] = []
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


def _read_part(kind: type[CanonicalPart], piece: bytes, where: str) -> CanonicalPart:
    try:
        part = kind.model_validate_json(piece)
    except ValidationError as error:
        raise BadDocument(_first_fault(error, where)) from error
    if part.to_bytes() != piece:
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
