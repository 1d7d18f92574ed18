"""What came of each prompt, as a JSON Lines or CSV file in the order of the prompts."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from protocol.errors import RequestError
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point
from requester.batches.records import RowResult

__all__ = ["check_out", "write_results"]

_CSV_SUFFIX = ".csv"
_JSONL_SUFFIXES = (".jsonl", ".ndjson")
_COLUMNS = (
    "line",
    "id",
    "status",
    "prompt",
    "text",
    "finish",
    "promptTokens",
    "newTokens",
    "jobId",
    "reason",
)


def check_out(path: Path, *, is_new: bool) -> None:
    """Checks before anything is paid that results can be written.

    Args:
        path: Where they are to go.
        is_new: Whether nothing may be there yet.

    Raises:
        RequestError: The suffix is of no known format, the folder is missing or closed,
            or the file is there already.
    """
    if path.suffix.lower() not in (_CSV_SUFFIX, *_JSONL_SUFFIXES):
        raise RequestError(
            f"--out is {path}; end its name with .jsonl or .csv, which is the format"
        )
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise RequestError(
            f"--out is {path}, whose folder is missing or cannot be written to; make "
            "the folder or choose another"
        )
    if is_new and path.exists():
        raise RequestError(
            f"--out is {path}, which is there already and is not replaced; choose "
            "another name or move it away"
        )


def write_results(path: Path, results: Iterable[RowResult]) -> None:
    """Writes a line or row for every prompt; the file is whole or the one before.

    Args:
        path: Where to; the suffix decides the format.
        results: Prompts and what came of them.

    Raises:
        RequestError: It cannot be written.
    """
    crash_point("output.writing")
    draft = path.with_name(f".{path.name}.draft")
    try:
        # Prompts and answers are nobody else's business.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="") as file:
            is_csv = path.suffix.lower() == _CSV_SUFFIX
            (_write_csv if is_csv else _write_jsonl)(file, results)
            file.flush()
            os.fsync(file.fileno())
        crash_point("output.written")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RequestError(
            f"results {path} cannot be written: {error.strerror}; they are kept in the "
            "batch's journal: make room and resume the batch"
        ) from error
    crash_point("output.replaced")


def _write_jsonl(file: TextIO, results: Iterable[RowResult]) -> None:
    for result in results:
        shown = {name: value for name, value in _view(result).items() if value != ""}
        file.write(json.dumps(shown, ensure_ascii=False) + "\n")


def _write_csv(file: TextIO, results: Iterable[RowResult]) -> None:
    rows = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    rows.writeheader()
    rows.writerows(map(_view, results))


def _view(result: RowResult) -> dict[str, Any]:
    """The fields of a result; empty where there is nothing to say."""
    output = result.output or {}
    view = {
        "line": result.line,
        "id": "" if result.name is None else result.name,
        "status": result.status.value,
        "prompt": result.prompt,
    }
    # The prompt in an output is the framed one.
    view |= {name: value for name, value in output.items() if name != "prompt"}
    view["jobId"] = "" if result.job_id is None else to_hex(result.job_id)
    view["reason"] = result.reason
    return view
