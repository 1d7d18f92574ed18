"""Prompts as people hand them in: an argument, a text file, a JSON Lines file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.errors import RequestError
from requester.decoding import Decoding
from requester.scaled import MILLIONTHS, parse_scaled
from requester.strict_json import parse_json

__all__ = ["MAX_FILE_BYTES", "PromptRequest", "read_prompts"]

MAX_FILE_BYTES = 16 * 1024 * 1024

# An object with a list of stop strings.
_MAX_DEPTH = 2
_JSONL_SUFFIXES = frozenset({".jsonl", ".ndjson"})
_FIELDS = (
    "prompt",
    "maxNewTokens",
    "temperature",
    "topK",
    "topP",
    "seed",
    "stop",
    "stopIds",
    "logprobs",
)


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """One prompt, and what was said about decoding it.

    Attributes:
        text: The text as handed in, before a task frames it.
        decoding: Parameters of this prompt alone.
        ids: Token ids to send instead of those of the text, which is then for people.
    """

    text: str
    decoding: Decoding = field(default_factory=Decoding)
    ids: tuple[int, ...] | None = None


def read_prompts(path: Path) -> list[PromptRequest]:
    """Reads a file of prompts.

    A ``.jsonl`` file holds an object a line: ``prompt``, and optionally
    ``maxNewTokens``, ``temperature``, ``topK``, ``topP``, ``seed``, ``stop`` (a
    string or a list), ``stopIds`` (a list) and ``logprobs``. Any other file holds a
    prompt a line. Blank lines are skipped.

    Args:
        path: The file, UTF-8, at most 16 MiB.

    Returns:
        At least one prompt.

    Raises:
        RequestError: The file cannot be read, is too large, not UTF-8, empty, or a line
            is malformed; the line's number is named.
    """
    text = _read_text(path)
    # Only line feeds end a line: U+2028 and its like may stand inside a prompt.
    lines = enumerate((line.removesuffix("\r") for line in text.split("\n")), start=1)
    filled = ((number, line) for number, line in lines if line.strip())
    if path.suffix.lower() in _JSONL_SUFFIXES:
        requests = list(_parse_jsonl(path, filled))
    else:
        requests = [PromptRequest(line) for _, line in filled]
    if not requests:
        raise RequestError(f"prompts file {path} is empty; write one prompt a line")
    return requests


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RequestError(
            f"prompts file {path} cannot be read: {reason}; check --file"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise RequestError(
            f"prompts file {path} is too large: over {MAX_FILE_BYTES} bytes; split it"
        )
    try:
        # A byte-order mark is an editor's, not a prompt's.
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RequestError(
            f"prompts file {path} is not UTF-8: byte 0x{data[error.start]:02x} in "
            f"line {line}; save it as UTF-8"
        ) from error


def _parse_jsonl(
    path: Path, lines: Iterable[tuple[int, str]]
) -> Iterable[PromptRequest]:
    for number, line in lines:
        try:
            yield _parse_line(line)
        except RequestError as error:
            raise RequestError(f"{path}, line {number}: {error}") from error


def _parse_line(line: str) -> PromptRequest:
    try:
        value = parse_json(line, max_depth=_MAX_DEPTH)
    except ValueError as error:
        raise RequestError(f'not JSON ({error}); write {{"prompt": "…"}}') from error
    if not isinstance(value, dict):
        raise RequestError('not an object; write {"prompt": "…"}')
    for name in value:
        if name not in _FIELDS:
            raise RequestError(
                f"unknown field {name[:40]!r}; known are {', '.join(_FIELDS)}"
            )
    text = value.get("prompt")
    if not isinstance(text, str):
        raise RequestError(f"prompt is {_shown(text)}; give a string")
    return PromptRequest(text, _decoding(value))


def _decoding(value: dict[str, Any]) -> Decoding:
    return Decoding(
        max_new_tokens=_integer(value, "maxNewTokens"),
        temperature=_fraction(value, "temperature"),
        top_k=_integer(value, "topK"),
        top_p=_fraction(value, "topP"),
        seed=_integer(value, "seed"),
        stop=_stops(value),
        stop_ids=_stop_ids(value),
        logprobs=_integer(value, "logprobs"),
    )


def _integer(value: dict[str, Any], name: str) -> int | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int):
        raise RequestError(f"{name} is {_shown(number)}; give an integer")
    return number


def _fraction(value: dict[str, Any], name: str) -> int | None:
    number = value.get(name)
    if number is None:
        return None
    if isinstance(number, str):
        raise RequestError(f"{name} is {_shown(number)}; give a number, without quotes")
    return parse_scaled(number, MILLIONTHS, name)


def _stops(value: dict[str, Any]) -> tuple[str, ...] | None:
    stops = value.get("stop")
    if stops is None:
        return None
    listed = [stops] if isinstance(stops, str) else stops
    if not isinstance(listed, list) or not all(isinstance(s, str) for s in listed):
        raise RequestError(f"stop is {_shown(stops)}; give a string or a list of them")
    return tuple(listed)


def _stop_ids(value: dict[str, Any]) -> tuple[int, ...] | None:
    ids = value.get("stopIds")
    if ids is None:
        return None
    if not isinstance(ids, list) or any(type(token_id) is not int for token_id in ids):
        raise RequestError(f"stopIds is {_shown(ids)}; give a list of token ids")
    return tuple(ids)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
