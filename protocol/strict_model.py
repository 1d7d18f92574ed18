"""What JSON objects of strangers have in common, for pydantic: nothing is guessed.

Apart from `hexadecimal` and `strict_json`, which load in a moment.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

__all__ = ["HexWord", "StrictModel"]

HexWord = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-f]{64}$")]
"""Hexadecimal of 32 bytes."""


class StrictModel(BaseModel):
    """A JSON object in camel case, without unknown names and conversions."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        extra="forbid",
        frozen=True,
        strict=True,
    )
