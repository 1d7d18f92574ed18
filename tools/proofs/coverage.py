"""Fails when a branch of the contracts is taken by no test.

    python -m tools.proofs.coverage

Compiled as it is deployed but without the optimizer, never through the IR pipeline, so
what is counted are the source's own branches. The stateful, gas and roster tests are
left out: what only they reach has no test that says so.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tools.proofs.toolbox import ROOT, ToolFailure, environment, forge, run

__all__ = ["Missed", "main", "missed_branches"]

_FOLDER = ROOT / ".forge" / "coverage"
_REPORT = _FOLDER / "lcov.info"
_LEFT_OUT = "Invariants|Gas|RosterScale|Symbolic"
_SOURCES = "contracts/src/"
_BRANCH = re.compile(r"BRDA:(\d+),\d+,\d+,(\d+|-)")


@dataclass(frozen=True, slots=True)
class Missed:
    """A branch that no test takes.

    Attributes:
        file: Source, relative to the repository.
        line: Line of the condition.
    """

    file: str
    line: int


def missed_branches(report: str) -> tuple[int, list[Missed]]:
    """Count the branches of the sources, and list those that were never taken.

    Args:
        report: An lcov trace file.
    """
    branches = list(_branches(report))
    missed = [Missed(file, line) for file, line, hits in branches if hits == 0]
    return len(branches), missed


def _branches(report: str) -> Iterator[tuple[str, int, int]]:
    file = ""
    for entry in report.splitlines():
        if entry.startswith("SF:"):
            file = entry.removeprefix("SF:")
        found = _BRANCH.fullmatch(entry)
        if found and file.startswith(_SOURCES):
            yield file, int(found[1]), 0 if found[2] == "-" else int(found[2])


def _measure() -> str:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    settings = environment(
        OUT=str(_FOLDER / "out"),
        CACHE_PATH=str(_FOLDER / "cache"),
        SNAPSHOTS=str(_FOLDER / "snapshots"),
        DENY="never",
    )
    options = ["--no-match-contract", _LEFT_OUT, "--report", "lcov"]
    run([forge(), "coverage", *options, "--report-file", str(_REPORT)], settings)
    return _REPORT.read_text("utf-8")


def main() -> int:
    """Measure, report, and return the exit code."""
    try:
        count, missed = missed_branches(_measure())
    except ToolFailure as error:
        sys.stderr.write(f"coverage: {error}\n")
        return 1
    if count == 0:
        sys.stderr.write("coverage: the report names no branch of contracts/src\n")
        return 1
    for branch in missed:
        sys.stderr.write(f"coverage: no test takes {branch.file}:{branch.line}\n")
    sys.stdout.write(f"coverage: {count - len(missed)} of {count} branches taken\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
