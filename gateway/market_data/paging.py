"""Pages of long lists: each says where the next one begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from protocol.errors import RequestError

__all__ = ["MAX_ITEMS", "Page", "page_of", "read_cursor", "write_cursor"]

MAX_ITEMS = 200

_Item = TypeVar("_Item")
_Row = TypeVar("_Row")
_CURSOR = re.compile(r"[0-9A-Za-z]{1,80}(\.[0-9A-Za-z]{1,80})*")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    """Some of many items.

    Attributes:
        items: The items.
        next_cursor: Where the next page begins; None on the last one.
    """

    items: tuple[_Item, ...]
    next_cursor: str | None


def write_cursor(*parts: int | str) -> str:
    """A position in a list, for a URL."""
    return ".".join(str(part) for part in parts)


def read_cursor(cursor: str, count: int) -> list[str]:
    """The parts of a position.

    Args:
        cursor: From `write_cursor`, by way of a stranger.
        count: Parts that it has.

    Raises:
        RequestError: It is none.
    """
    parts = cursor.split(".")
    if len(parts) != count or not _CURSOR.fullmatch(cursor):
        raise RequestError("the cursor is malformed; take `next_cursor` of a page")
    return parts


def page_of(rows: Sequence[_Row], limit: int) -> tuple[Sequence[_Row], _Row | None]:
    """The rows of a page, of one more than fit; and the last, if others follow."""
    shown = rows[:limit]
    return shown, shown[-1] if len(rows) > limit and shown else None
