"""Runs Slither over the contracts; fails on any finding that nobody has judged.

    python -m tools.proofs.analysis

`contracts/slither.toml` lists the findings that are no faults, each with its place, the
number of times it is found there, and the reason. A waiver of something that is not
found any more fails as well, so the list stays true.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.proofs.toolbox import ROOT, ToolFailure, build_sources, environment, program

__all__ = [
    "SlitherFinding",
    "Waiver",
    "complaints",
    "findings_of",
    "main",
    "read_waivers",
]

WAIVERS = ROOT / "contracts" / "slither.toml"
_FOLDER = ROOT / ".forge" / "slither"


@dataclass(frozen=True, slots=True, order=True)
class SlitherFinding:
    """What a detector says about a place.

    Attributes:
        check: The detector, such as `timestamp`.
        where: `Contract.function`, `Contract`, or the file.
    """

    check: str
    where: str


@dataclass(frozen=True, slots=True)
class Waiver:
    """Findings that were judged to be no faults.

    Attributes:
        check: The detector.
        reason: Why there is no fault.
        where: How often it finds so at each place.
    """

    check: str
    reason: str
    where: Mapping[str, int]


def read_waivers(text: str) -> list[Waiver]:
    """The waivers of a file. Raises ToolFailure if one has no reason or no place."""
    waivers = [
        Waiver(entry["check"], entry.get("reason", ""), entry.get("where", {}))
        for entry in tomllib.loads(text).get("waiver", [])
    ]
    for waiver in waivers:
        if not waiver.reason.strip() or not waiver.where:
            raise ToolFailure(f"the waiver of {waiver.check} needs a reason and places")
    return waivers


def findings_of(report: Mapping[str, Any]) -> list[SlitherFinding]:
    """The findings in Slither's JSON report. Raises ToolFailure if it broke down."""
    if not report.get("success"):
        raise ToolFailure(f"slither failed: {report.get('error')}")
    results = report["results"].get("detectors", [])
    return [
        SlitherFinding(result["check"], _place(result["elements"]))
        for result in results
    ]


def complaints(found: Iterable[SlitherFinding], waivers: Iterable[Waiver]) -> list[str]:
    """Findings without a waiver and waivers without a finding, as lines."""
    actual = Counter(found)
    waived: Counter[SlitherFinding] = Counter()
    for waiver in waivers:
        for where, times in waiver.where.items():
            waived[SlitherFinding(waiver.check, where)] += times
    lines = []
    for finding in sorted({*actual, *waived}):
        here, there = actual[finding], waived[finding]
        if here > there:
            lines.append(f"{finding.check} in {finding.where}: {here} found, {there}")
            lines[-1] += " waived"
        elif here < there:
            lines.append(f"{finding.check} in {finding.where}: {there} waived, {here}")
            lines[-1] += " found; correct the waiver"
    return lines


def _place(elements: list[dict[str, Any]]) -> str:
    if not elements:
        return "everywhere"
    element = elements[0]
    parent = element.get("type_specific_fields", {}).get("parent")
    if element["type"] in ("function", "contract") or parent is None:
        own = element["name"]
        return own if parent is None or "name" not in parent else _joined(parent, own)
    # A statement or a variable: the function, or the contract, that holds it.
    return _place([parent])


def _joined(parent: Mapping[str, Any], name: str) -> str:
    return f"{parent['name']}.{name}" if parent.get("type") == "contract" else name


def _analyse() -> tuple[list[SlitherFinding], str]:
    build_sources(_FOLDER)
    report = _FOLDER / "report.json"
    command = [
        program("slither"),
        str(ROOT),
        "--ignore-compile",
        "--foundry-out-directory",
        str((_FOLDER / "out").relative_to(ROOT)),
        "--filter-paths",
        "node_modules",
        "--json",
        str(report),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    if not report.is_file():
        raise ToolFailure(f"slither failed:\n{done.stderr[-4000:]}")
    return findings_of(json.loads(report.read_text("utf-8"))), done.stderr


def main() -> int:
    """Analyse and compare; returns the exit code."""
    try:
        waivers = read_waivers(WAIVERS.read_text("utf-8"))
        found, details = _analyse()
    except ToolFailure as error:
        sys.stderr.write(f"slither: {error}\n")
        return 1
    faults = complaints(found, waivers)
    if faults:
        sys.stderr.write(details)
        shown = "\n  ".join(faults)
        sys.stderr.write(
            f"slither: not judged yet:\n  {shown}\n"
            f"Repair them, or waive them with a reason in {_shown(WAIVERS)}.\n"
        )
        return 1
    sys.stdout.write(f"slither: {len(found)} findings, all of them waived\n")
    return 0


def _shown(path: Path) -> str:
    return os.path.relpath(path, ROOT)


if __name__ == "__main__":
    sys.exit(main())
