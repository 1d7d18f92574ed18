"""Runs halmos over the contracts' libraries: what holds for every input.

    python -m tools.proofs.symbolic [--function NAME]

The checks are the functions `check_…` in `contracts/test/symbolic`; halmos tries all
paths through them with symbolic arguments, up to a depth of loops that they name.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from tools.proofs.toolbox import ROOT, ToolFailure, environment, forge, program, run

__all__ = ["main"]

_FOLDER = ROOT / ".forge" / "symbolic"
_TESTS = "contracts/test/symbolic"
_LOOPS = 9
_SOLVER_MILLISECONDS = 60_000


def _build() -> None:
    settings = environment(
        OUT=str(_FOLDER / "out"),
        CACHE_PATH=str(_FOLDER / "cache"),
        TEST=_TESTS,
        DENY="never",
    )
    run([forge(), "build", "--ast"], settings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile and prove; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--function", default="check_", help="only those that begin so")
    options = parser.parse_args(arguments)
    try:
        _build()
        command = [
            program("halmos"),
            "--root",
            str(ROOT),
            "--forge-build-out",
            str((_FOLDER / "out").relative_to(ROOT)),
            "--function",
            options.function,
            "--loop",
            str(_LOOPS),
            "--solver-timeout-assertion",
            str(_SOLVER_MILLISECONDS),
        ]
    except ToolFailure as error:
        sys.stderr.write(f"symbolic: {error}\n")
        return 1
    return subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
