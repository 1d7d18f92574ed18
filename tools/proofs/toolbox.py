"""Where the proof tools are, and how they see the contracts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = [
    "ROOT",
    "ToolFailure",
    "build_sources",
    "environment",
    "forge",
    "program",
    "run",
]

ROOT = Path(__file__).resolve().parents[2]
_PROGRAMS = ROOT / ".venv-proofs" / "bin"
_NO_FOLDER = "contracts/none"
# The npm package's own `forge` is a script that loses the program's exit code.
_FORGE = "node_modules/@foundry-rs/forge-*/bin/forge"


class ToolFailure(Exception):
    """A tool is missing or broke down; the message says which and what to do."""


def program(name: str) -> str:
    """Path of a proof tool. Raises ToolFailure if it is not installed."""
    path = _PROGRAMS / name
    if not path.is_file():
        raise ToolFailure(f"{name} is not installed: run `make proofs`")
    return str(path)


def forge() -> str:
    """Path of forge itself. Raises ToolFailure if there is none."""
    found = next(iter(sorted(ROOT.glob(_FORGE))), None) or shutil.which("forge")
    if found is None:
        raise ToolFailure("forge is not installed: run `make setup`")
    return str(found)


def environment(**settings: str) -> dict[str, str]:
    """The process's environment, with forge on the PATH and settings of it.

    Args:
        settings: By the names of forge's variables, `FOUNDRY_` left out.
    """
    added = {f"FOUNDRY_{name}": value for name, value in settings.items()}
    path = os.pathsep.join((str(Path(forge()).parent), os.environ.get("PATH", "")))
    return {
        **os.environ,
        "PATH": path,
        "FOUNDRY_LINT_LINT_ON_BUILD": "false",
        **added,
    }


def build_sources(folder: Path) -> None:
    """Compile `contracts/src` alone, afresh, with the compiler's full output.

    Args:
        folder: Below the repository; made anew. Gets `out` and `cache`.

    Raises:
        ToolFailure: It does not compile.
    """
    shutil.rmtree(folder, ignore_errors=True)
    settings = environment(
        OUT=str(folder / "out"),
        CACHE_PATH=str(folder / "cache"),
        TEST=_NO_FOLDER,
        SCRIPT=_NO_FOLDER,
    )
    run([forge(), "build", "--build-info"], settings)


def run(command: Sequence[str], settings: Mapping[str, str]) -> str:
    """Run a tool in the repository; its output. Raises ToolFailure if it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ToolFailure(f"{command[0]} failed:\n{done.stdout[-4000:]}")
    return done.stdout
