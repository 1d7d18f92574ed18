"""Writes the lock file of the baselines' environment.

    python -m benchmarks.engine.lock

Resolves requirements/bench.in afresh in a throw-away environment and writes what was
installed to requirements/bench.lock.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks.engine.workspace import LOCK, ROOT
from tools.lock import lock_lines

HEADER = """\
# Everything in .venv-bench, the environment of the benchmarks' baselines, as it was
# resolved on Python 3.11. Made by `python -m benchmarks.engine.lock` from bench.in,
# not edited by hand. Without torchvision: optimum-intel asks for it, nothing here uses
# it, and it would have to match the build of torch.
"""


def bench_lines(frozen: str) -> list[str]:
    """Reduces the output of ``pip freeze --all`` to the pins of bench.lock."""
    return [line for line in lock_lines(frozen) if not line.startswith("torchvision==")]


def main() -> int:
    """Resolves and writes the lock file.

    Returns:
        The exit code.
    """
    wanted = ROOT / "requirements" / "bench.in"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [str(Path(folder) / "bin" / "python"), "-m", "pip"]
        install = [*pip, "install", "--quiet", "--requirement", str(wanted)]
        subprocess.run(install, check=True)
        frozen = subprocess.run(
            [*pip, "freeze", "--all"], check=True, capture_output=True, text=True
        ).stdout
    LOCK.write_text(HEADER + "\n".join(bench_lines(frozen)) + "\n", "ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
