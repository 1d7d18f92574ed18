"""How fast this machine reads memory, measured beside the engines."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final, Self

from benchmarks.errors import BenchmarkError

_SOURCE = Path(__file__).with_name("read_bandwidth.c")
MEBIBYTES: Final = 1024
"""Size of the array read: far beyond any cache."""


def compile_reader(folder: Path) -> Path:
    """Compiles the reading program.

    Args:
        folder: Where to put it.

    Raises:
        BenchmarkError: There is no C compiler, or it refused the source.
    """
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if shutil.which(compiler[0]) is None:
        raise BenchmarkError(
            f"no C compiler {compiler[0]!r} for the memory bandwidth; install one, "
            "name it in CC, or leave the case out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "read_bandwidth"
    flags = ["-O3", "-march=native", "-pthread", "-o", str(program), str(_SOURCE)]
    done = subprocess.run(
        [*compiler, *flags], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"{_SOURCE.name} does not compile: {done.stderr.strip()}")
    return program


class BandwidthReader:
    """The reading program, running, its array in memory."""

    def __init__(self, program: Path, threads: int, mebibytes: int = MEBIBYTES) -> None:
        """Starts the program.

        Args:
            program: What `compile_reader` returned.
            threads: Threads that read together.
            mebibytes: Size of the array.
        """
        self._process = subprocess.Popen(
            [program, str(threads), str(mebibytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Ends the program."""
        self._process.communicate()

    def measure(self) -> float:
        """Returns bytes per second of the fastest of a few passes.

        Raises:
            BenchmarkError: The program has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise BenchmarkError("the program that measures memory bandwidth ended")
        return float(line)
