"""Writes the Python lock files: exact versions of everything that is installed.

    python3 tools/lock.py [dev] [proofs]

Resolves afresh, in a throw-away environment, and writes what was installed: of the
dependencies and all extras of pyproject.toml to requirements/dev.lock, of
requirements/proofs.in to requirements/proofs.lock.

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
FOLDER = ROOT / "requirements"

HEADERS = {
    "dev": """\
# Everything that `make setup` installs into .venv, as it was resolved on Python 3.11.
# Made by `python3 tools/lock.py` from pyproject.toml; not edited by hand.
#
# No hashes, and none of the libraries for graphics cards that some builds of torch
# bring along: which build of torch a version means depends on the machine.
""",
    "proofs": """\
# Everything that is installed into .venv-proofs, as it was resolved on Python 3.11.
# Made by `python3 tools/lock.py proofs` from proofs.in; not edited by hand.
""",
}

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


def listed(text: str) -> list[str]:
    """The lines of a requirements file that are no comments."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


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


def resolve(wanted: list[str]) -> list[str]:
    """Installs requirements into a throw-away environment and lists what that took.

    Args:
        wanted: Requirement specifiers.

    Returns:
        One pin a line.
    """
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
        frozen = subprocess.run(
            [*pip, "freeze", "--all"], check=True, capture_output=True, text=True
        ).stdout
    return with_markers(lock_lines(frozen), wanted)


def with_markers(pins: list[str], wanted: list[str]) -> list[str]:
    """Pins with the environment markers of the requirements that they meet.

    Args:
        pins: One `name==version` each.
        wanted: Requirement specifiers, some with a marker after a semicolon.

    Returns:
        The pins in their order.
    """
    markers = {}
    for line in wanted:
        specifier, _, marker = line.partition(";")
        name = re.split(r"[^\w.-]", specifier, maxsplit=1)[0]
        markers[name.lower()] = marker.strip()
    named = [(pin, markers.get(pin.partition("==")[0].lower())) for pin in pins]
    return [f"{pin}; {marker}" if marker else pin for pin, marker in named]


def main(names: list[str]) -> int:
    """Resolves and writes lock files.

    Args:
        names: Which; all when empty.

    Returns:
        The exit code.
    """
    for name in names or [*HEADERS]:
        if name == "dev":
            wanted = requirements(ROOT / "pyproject.toml")
        else:
            wanted = listed((FOLDER / f"{name}.in").read_text("utf-8"))
        text = HEADERS[name] + "\n".join(resolve(wanted)) + "\n"
        (FOLDER / f"{name}.lock").write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
