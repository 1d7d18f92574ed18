"""Writes the Python lock file: exact versions of everything `make setup` installs.

    python3 tools/lock.py

Resolves the dependencies and all extras of pyproject.toml afresh, in a throw-away
environment, and writes what was installed to requirements/dev.lock.

The Node side has a lock file of npm's own, package-lock.json. It is renewed in a
folder that holds only package.json, so that it covers all platforms, and without the
addresses that packages came from:

    npm install --package-lock-only --omit-lockfile-registry-resolved
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "dev.lock"

HEADER = """\
# Everything that `make setup` installs into .venv, as it was resolved on Python 3.11.
# Made by `python3 tools/lock.py` from pyproject.toml; not edited by hand.
#
# No hashes, and none of the libraries for graphics cards that some builds of torch
# bring along: which build of torch a version means depends on the machine.
"""

# Come with a particular build of torch, not with the version.
_BUILD_SPECIFIC = re.compile(r"(nvidia|cuda|triton|pytorch-triton)\b", re.IGNORECASE)
# The environment's own; setuptools stays, since it builds the project.
_NOT_OURS = {"pip", "assay"}


def requirements(pyproject: Path) -> list[str]:
    """Lists the dependencies of the project together with those of all its extras.

    Args:
        pyproject: Path of pyproject.toml.

    Returns:
        Requirement specifiers, sorted, without duplicates.
    """
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return sorted(
        {*project["dependencies"], *(line for lines in extras for line in lines)}
    )


def lock_lines(frozen: str) -> list[str]:
    """Reduces the output of ``pip freeze`` to portable pins.

    Args:
        frozen: The output of ``pip freeze --all``.

    Returns:
        One ``name==version`` a line, without local version labels such as ``+cpu``.
    """
    lines = []
    for line in frozen.splitlines():
        name, _, version = line.partition("==")
        if not version or name.lower() in _NOT_OURS or _BUILD_SPECIFIC.match(name):
            continue
        lines.append(f"{name}=={version.partition('+')[0]}")
    return sorted(lines, key=str.lower)


def main() -> int:
    """Resolves and writes the lock file.

    Returns:
        The exit code.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        wanted = requirements(ROOT / "pyproject.toml")
        subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
        frozen = subprocess.run(
            [*pip, "freeze", "--all"], check=True, capture_output=True, text=True
        ).stdout
    LOCK.write_text(HEADER + "\n".join(lock_lines(frozen)) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
