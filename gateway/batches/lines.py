"""Lines of batch files: read on the way in, written on the way out. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.batches.schemas import BatchFault, BatchLine
from gateway.completions.parsing import parse_body
from gateway.errors import CallRefused

__all__ = ["MAX_LINES", "InputLine", "output_line", "read_lines"]

MAX_LINES = 10_000
_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class InputLine:
    """A call of a batch.

    Attributes:
        number: Its line, from 1.
        custom_id: The caller's name for it.
        body: The call as JSON; it has not been looked at.
    """

    number: int
    custom_id: str
    body: str


def read_lines(
    content: bytes, endpoint: str
) -> tuple[list[InputLine], list[BatchFault]]:
    """Reads a batch's input file.

    Args:
        content: The file.
        endpoint: Endpoint that all lines must name.

    Returns:
        The calls, and what is wrong with the file; if anything is, no call counts.
    """
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return [], [_fault("invalid_file", None, "the file is not UTF-8")]
    lines: list[InputLine] = []
    faults: list[BatchFault] = []
    seen: set[str] = set()
    # Only line feeds end a line: U+2028 and its like may stand inside a prompt.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        fault = _read(number, line, endpoint, seen, lines)
        faults += [fault] if fault is not None else []
        if len(faults) >= _MAX_FAULTS or len(lines) > MAX_LINES:
            break
    if len(lines) > MAX_LINES:
        text = f"the file has more than {MAX_LINES} calls; split it"
        faults.append(_fault("too_many_calls", None, text))
    if not lines and not faults:
        faults.append(_fault("empty_file", None, "the file holds no call"))
    return lines, faults


def _read(
    number: int, text: str, endpoint: str, seen: set[str], lines: list[InputLine]
) -> BatchFault | None:
    try:
        line = parse_body(BatchLine, text)
    except CallRefused as error:
        return _fault("invalid_line", number, str(error), error.param)
    if line.url != endpoint:
        reason = f"url is {line.url}, the batch's endpoint is {endpoint}"
        return _fault("mismatched_url", number, reason, "url")
    if line.custom_id in seen:
        reason = "custom_id stands in an earlier line too"
        return _fault("duplicate_custom_id", number, reason, "custom_id")
    seen.add(line.custom_id)
    body = json.dumps(line.body, separators=(",", ":"))
    lines.append(InputLine(number, line.custom_id, body))
    return None


def output_line(
    call_id: str, custom_id: str, status: int, body: object
) -> dict[str, object]:
    """A line of an output or error file."""
    return {
        "id": "batch_req_" + call_id.partition("-")[2],
        "custom_id": custom_id,
        "response": {"status_code": status, "request_id": call_id, "body": body},
        "error": None,
    }


def to_jsonl(lines: Sequence[dict[str, object]]) -> bytes:
    """Lines of a file."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _fault(
    code: str, line: int | None, message: str, param: str | None = None
) -> BatchFault:
    return BatchFault(code=code, line=line, message=message, param=param)
