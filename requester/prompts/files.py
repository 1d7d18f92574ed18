"""Prompts as people hand them in: an argument, or a text, JSON Lines or CSV file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.amounts import MILLIONTHS, parse_scaled
from protocol.errors import RequestError
from protocol.strict_json import parse_json
from requester.prompts.csv_cells import csv_rows
from requester.prompts.decoding import Decoding
from requester.prompts.lines import numbered_lines
from requester.prompts.request import PromptRequest

__all__ = [
    "MAX_FILE_BYTES",
    "PromptRow",
    "RowFault",
    "read_prompts",
    "stream_prompts",
]

MAX_FILE_BYTES = 16 * 1024 * 1024
"""Most bytes of a file that becomes one job."""

# An object with a list of stop strings.
_MAX_DEPTH = 2
_MAX_NAME_CHARACTERS = 200
_JSONL_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_CSV_SUFFIX = ".csv"


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One prompt of a file.

    Attributes:
        line: Number of its line, from 1; the first one where a row has several.
        name: What the file calls it (`id`); None where it does not.
        request: The prompt.
    """

    line: int
    name: str | None
    request: PromptRequest


@dataclass(frozen=True, slots=True)
class RowFault:
    """One row of a file that is wrong, while others may be fine.

    Attributes:
        line: Number of its line, from 1.
        reason: What is wrong with which field, and the way out.
    """

    line: int
    reason: str


def read_prompts(path: Path) -> list[PromptRequest]:
    """Reads a file of prompts for one job; see `stream_prompts`.

    Args:
        path: The file, at most 16 MiB.

    Returns:
        At least one prompt.

    Raises:
        RequestError: The file cannot be read, is too large, not UTF-8, empty, or a line
            is malformed; the line's number is named.
    """
    requests = []
    for row in stream_prompts(path, max_bytes=MAX_FILE_BYTES):
        if isinstance(row, RowFault):
            raise RequestError(f"{path}, line {row.line}: {row.reason}")
        requests.append(row.request)
    return requests


def stream_prompts(path: Path, *, max_bytes: int) -> Iterator[PromptRow | RowFault]:
    """Reads a file of prompts row by row.

    A ``.jsonl`` file holds an object a line: ``prompt``, and optionally ``id``,
    ``maxNewTokens``, ``temperature``, ``topK``, ``topP``, ``seed``, ``stop`` (a
    string or a list), ``stopIds`` (a list) and ``logprobs``. A ``.csv`` file has a
    header that names such fields. Any other file holds a prompt a line. Blank lines are
    skipped.

    Args:
        path: The file, UTF-8.
        max_bytes: Most bytes of it.

    Yields:
        At least one prompt or fault.

    Raises:
        RequestError: The file as a whole cannot be read, is too large, not UTF-8 or
            empty.
    """
    lines = numbered_lines(path, max_bytes)
    is_empty = True
    for row in _rows(path, lines):
        is_empty = False
        yield row
    if is_empty:
        raise RequestError(f"prompts file {path} is empty; write one prompt a line")


def _rows(
    path: Path, lines: Iterator[tuple[int, str]]
) -> Iterator[PromptRow | RowFault]:
    suffix = path.suffix.lower()
    if suffix == _CSV_SUFFIX:
        for row in csv_rows(path, lines, _FIELDS):
            yield _row(row.line, row.value, row.fault)
        return
    for number, line in lines:
        text = line.removesuffix("\n").removesuffix("\r")
        if not text.strip():
            continue
        if suffix in _JSONL_SUFFIXES:
            value, fault = _parse_line(text)
            yield _row(number, value, fault)
        else:
            yield PromptRow(number, None, PromptRequest(text))


def _row(line: int, value: Mapping[str, Any], fault: str) -> PromptRow | RowFault:
    if fault:
        return RowFault(line, fault)
    try:
        return _request(line, value)
    except RequestError as error:
        return RowFault(line, str(error))


def _parse_line(line: str) -> tuple[Mapping[str, Any], str]:
    """The object that a line holds, and what is wrong with it if something is."""
    try:
        value = parse_json(line, max_depth=_MAX_DEPTH)
    except ValueError as error:
        return {}, f'not JSON ({error}); write {{"prompt": "…"}}'
    if not isinstance(value, dict):
        return {}, 'not an object; write {"prompt": "…"}'
    for name in value:
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            return {}, f"unknown field {name[:40]!r}; known are {known}"
    return value, ""


def _request(line: int, value: Mapping[str, Any]) -> PromptRow:
    text = value.get("prompt")
    if not isinstance(text, str):
        raise RequestError(f"prompt is {_shown(text)}; give a string")
    if not text.strip():
        raise RequestError("prompt is empty; write some text")
    return PromptRow(line, _name(value), PromptRequest(text, _decoding(value)))


def _name(value: Mapping[str, Any]) -> str | None:
    name = value.get("id")
    if name is None:
        return None
    if type(name) is int:
        name = str(name)
    if not isinstance(name, str) or len(name) > _MAX_NAME_CHARACTERS:
        raise RequestError(
            f"id is {_shown(name)}; give a string of at most {_MAX_NAME_CHARACTERS} "
            "characters"
        )
    return name


def _decoding(value: Mapping[str, Any]) -> Decoding:
    chosen = {}
    for name, (field, read) in _READERS.items():
        if value.get(name) is not None:
            chosen[field] = read(name, value[name])
    return Decoding(**chosen)


def _integer(name: str, number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise RequestError(f"{name} is {_shown(number)}; give an integer")
    return number


def _fraction(name: str, number: Any) -> int:
    if isinstance(number, str):
        raise RequestError(f"{name} is {_shown(number)}; give a number, without quotes")
    return parse_scaled(number, MILLIONTHS, name)


def _strings(name: str, given: object) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(s, str) for s in listed):
        raise RequestError(
            f"{name} is {_shown(given)}; give a string or a list of them"
        )
    return tuple(listed)


def _ids(name: str, given: object) -> tuple[int, ...]:
    if not isinstance(given, list) or any(type(one) is not int for one in given):
        raise RequestError(f"{name} is {_shown(given)}; give a list of token ids")
    return tuple(given)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# What a row can say about decoding: the parameter, and how it is read.
_READERS: Mapping[str, tuple[str, Callable[[str, Any], Any]]] = {
    "maxNewTokens": ("max_new_tokens", _integer),
    "temperature": ("temperature", _fraction),
    "topK": ("top_k", _integer),
    "topP": ("top_p", _fraction),
    "seed": ("seed", _integer),
    "stop": ("stop", _strings),
    "stopIds": ("stop_ids", _ids),
    "logprobs": ("logprobs", _integer),
}
_FIELDS = ("prompt", "id", *_READERS)
