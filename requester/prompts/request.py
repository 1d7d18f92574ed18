"""One prompt as a requester asks it, and its form in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from requester.prompts.decoding import Decoding

__all__ = ["PromptRequest"]


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """One prompt, with its own decoding parameters where it has any.

    Attributes:
        text: The text as handed in, before a task frames it.
        decoding: Parameters of this prompt alone.
        ids: Token ids to send instead of those of the text, which is then for people.
    """

    text: str
    decoding: Decoding = field(default_factory=Decoding)
    ids: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The prompt as a JSON value, without what is left open."""
        value = {"text": self.text, "decoding": self.decoding.to_json()}
        return value if self.ids is None else {**value, "ids": list(self.ids)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        ids = value.get("ids")
        return cls(
            text=value["text"],
            decoding=Decoding.from_json(value["decoding"]),
            ids=None if ids is None else tuple(ids),
        )
