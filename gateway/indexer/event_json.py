"""Events as JSON objects, and back, without loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Any, cast, get_args, get_origin, get_type_hints

from protocol.hexadecimal import from_hex, to_hex
from protocol.market.events import EVENTS, Event

__all__ = ["event_from_json", "event_to_json"]

_Reader = Callable[[Any], Any]


def event_to_json(event: Event) -> dict[str, Any]:
    """Fields by name: bytes in hexadecimal, enums as numbers, structs as objects."""
    return {
        name: _plain(getattr(event, name)) for name in _names(cast(Any, type(event)))
    }


def event_from_json(kind: str, values: dict[str, Any]) -> Event:
    """The event that `event_to_json` wrote.

    Raises:
        KeyError: There is no such event, or a field is missing.
    """
    event: Any = EVENTS[kind]
    found: Event = event(*(read(values[name]) for name, read in _readers(event)))
    return found


def _plain(value: Any) -> Any:
    # The commonest first; an IntEnum is an int of a class of its own.
    kind: Any = type(value)
    if kind is int or kind is str or kind is bool:
        return value
    if isinstance(value, bytes):
        return to_hex(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, int):
        return int(value)
    return {name: _plain(getattr(value, name)) for name in _names(kind)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _readers(kind: Any) -> tuple[tuple[str, _Reader], ...]:
    hints = get_type_hints(kind)
    return tuple((name, _reader(hints[name])) for name in _names(kind))


def _reader(hint: Any) -> _Reader:
    while hasattr(hint, "__supertype__"):
        hint = hint.__supertype__
    if get_origin(hint) is tuple:
        item = _reader(get_args(hint)[0])
        return lambda values: tuple(map(item, values))
    if hint is bytes:
        return lambda text: from_hex(text)
    if is_dataclass(hint):
        kind: Any = hint
        return lambda values: kind(
            *(read(values[name]) for name, read in _readers(kind))
        )
    if isinstance(hint, type) and issubclass(hint, IntEnum):
        return hint
    return lambda value: value
