"""JSON from strangers: no surprises, no deep nesting, no floats."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

__all__ = ["check_depth", "parse_json"]

# Strings are matched to be skipped, also one that does not end, so that the time stays
# linear; of the rest only brackets count.
_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)


def parse_json(text: str, *, max_depth: int) -> Any:
    """Parses a JSON value; fractions become Decimals.

    Args:
        text: The JSON.
        max_depth: Most lists and objects inside each other.

    Raises:
        ValueError: It is not JSON, is nested deeper, has an object that names a field
            twice, or a number that JSON does not have.
    """
    check_depth(text, max_depth)
    return json.loads(
        text,
        parse_float=Decimal,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )


def check_depth(text: str, max_depth: int) -> None:
    """Refuses what Python's parser must not be given.

    It recurses without a limit of its own, and a library that web3 uses lifts the
    interpreter's so far that deep nesting would end the process.

    Raises:
        ValueError: Lists and objects are nested deeper than `max_depth`.
    """
    depth = 0
    for token in _TOKENS.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        if depth > max_depth:
            raise ValueError(f"nested deeper than {max_depth} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
