"""Rows of a CSV file of prompts, as the objects that a JSON line would hold."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from protocol.errors import RequestError
from protocol.strict_json import parse_json

__all__ = ["CsvRow", "csv_rows"]

# Longer ones could not be a setting, and Python refuses to read very long ones.
_INTEGER = re.compile(r"-?[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row.

    Attributes:
        line: Number of its first line in the file.
        value: What its cells say, by field; empty cells say nothing.
        fault: What is wrong with the row as a whole; empty if nothing is.
    """

    line: int
    value: Mapping[str, Any]
    fault: str = ""


def csv_rows(
    path: Path, lines: Iterator[tuple[int, str]], fields: Sequence[str]
) -> Iterator[CsvRow]:
    """Reads rows under a header that names fields.

    Args:
        path: For errors.
        lines: The file's lines with their numbers.
        fields: Fields that may be named; the first one must be.

    Yields:
        The rows that hold anything.

    Raises:
        RequestError: The header names no such fields, or the file is no CSV.
    """
    records = _records(path, lines)
    first = next(records, None)
    if first is None:
        return
    header = _header(path, first, fields)
    for line, cells in records:
        if len(cells) != len(header):
            fault = f"it has {len(cells)} cells, the header has {len(header)}"
            yield CsvRow(line, {}, f"{fault}; quote text that holds commas")
            continue
        named = zip(header, cells, strict=True)
        value = {name: _cell(name, cell) for name, cell in named if cell != ""}
        # An empty prompt is a fault of the prompt, not of the row.
        yield CsvRow(line, {fields[0]: "", **value})


def _records(
    path: Path, lines: Iterator[tuple[int, str]]
) -> Iterator[tuple[int, list[str]]]:
    """Records with the number of their first line; blank lines are skipped."""
    reader = csv.reader((line for _, line in lines), strict=True)
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise RequestError(
                f"{path}, line {line}: no CSV ({error}); quote text that holds commas, "
                "quotes or line feeds"
            ) from error
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _header(
    path: Path, record: tuple[int, list[str]], fields: Sequence[str]
) -> list[str]:
    line, cells = record
    names = [cell.strip() for cell in cells]
    where = f"{path}, line {line}"
    for name in names:
        if name not in fields:
            raise RequestError(
                f"{where}: unknown column {name[:40]!r}; known are {', '.join(fields)}"
                + ("; separate columns by commas" if _is_of_other_kind(name) else "")
            )
        if names.count(name) > 1:
            raise RequestError(f"{where}: the column {name} stands twice")
    if fields[0] not in names:
        raise RequestError(f"{where}: there is no column {fields[0]}")
    return names


def _is_of_other_kind(name: str) -> bool:
    return ";" in name or "\t" in name


def _cell(name: str, cell: str) -> Any:
    """The cell as a JSON value; what cannot be one stays text, and is refused later."""
    return _READERS.get(name, str)(cell)


def _integer(cell: str) -> object:
    stripped = cell.strip()
    return int(stripped) if _INTEGER.fullmatch(stripped) else cell


def _number(cell: str) -> object:
    try:
        return Decimal(cell.strip())
    except InvalidOperation:
        return cell


def _list(cell: str) -> object:
    """A JSON list, or one value alone."""
    if not cell.lstrip().startswith("["):
        return cell
    try:
        return parse_json(cell, max_depth=1)
    except ValueError:
        return cell


def _ids(cell: str) -> object:
    listed = _list(cell)
    if isinstance(listed, str) and isinstance(number := _integer(listed), int):
        return [number]
    return listed


_READERS: Mapping[str, Callable[[str], object]] = {
    "maxNewTokens": _integer,
    "temperature": _number,
    "topK": _integer,
    "topP": _number,
    "seed": _integer,
    "stop": _list,
    "stopIds": _ids,
    "logprobs": _integer,
}
