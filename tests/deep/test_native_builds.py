"""The native engine in builds that Python cannot load, against the reference.

Under the sanitizers for undefined behaviour, addresses and threads, and on aarch64
under QEMU. Each build replays a recording of every profile; `make test-deep` runs it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inference.models.integer_model import Choice
from inference.models.sampling import choose_token
from inference.native import library
from inference.native.conversion import shape_struct
from inference.profiles import PROFILES, Profile
from tests.support.models.random_models import (
    extreme_tensors,
    random_shape,
    random_tensors,
)
from tests.support.reference.reference import ReferenceModel

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1_800)]

SRC = Path(library.__file__).parent / "src"
REPLAY = Path(__file__).parents[1] / "support" / "reference" / "replay.c"
CHOICE = Choice(1_200_000, 90, 970_000, 0xFEDC_BA98_7654_3210)

SANITIZERS = {
    "undefined": ["-fsanitize=undefined,address", "-fno-sanitize-recover=all"],
    "threads": ["-fsanitize=thread"],
}


def recording(profile: Profile, *, extreme: bool) -> bytes:
    """A small model, tokens, and what the reference makes of them."""
    shape = random_shape(
        profile,
        vocab_size=131,
        context_length=70,
        width=144,
        inner_width=1_050,
        layers=2,
        heads=3,
    )
    tensors = extreme_tensors(shape, 5) if extreme else random_tensors(shape, 5)
    ids = [n % shape.vocab_size for n in hashlib.sha512(b"recording").digest()[:35]]
    traces = ReferenceModel(shape, tensors).traces(ids)
    logits = [trace["head"] for trace in traces]
    chosen = [choose_token(np.array(row, np.int32), CHOICE) for row in logits]
    trace = [value for values in traces[-1].values() for value in values]
    layouts = list(shape.tensors())
    choice = (CHOICE.temperature, CHOICE.top_k, CHOICE.top_p, CHOICE.draw)
    parts = [
        bytes(shape_struct(shape)),
        struct.pack("<4i3qQ", 0, 0, 0, 0, *choice),
        struct.pack("<3i", len(ids), len(trace), len(layouts)),
        *(np.array(each, "<i4").tobytes() for each in (ids, chosen, logits, trace)),
    ]
    for layout in layouts:
        data = tensors(layout.name).tobytes()
        parts += [struct.pack("<64si", layout.name.encode(), len(data)), data]
    return b"".join(parts)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("recordings")
    paths = []
    for profile in PROFILES.values():
        for extreme in (False, True):
            path = folder / f"{profile.name}-{extreme}"
            path.write_bytes(recording(profile, extreme=extreme))
            paths.append(path)
    return paths


def build(compiler: list[str], flags: list[str], target: Path) -> Path:
    """Builds the replay from all sources; warnings are errors."""
    sources = [str(path) for path in sorted(SRC.glob("*.c"))]
    # One source at a time would be quicker to repeat, but this is run once.
    always = ["-std=c11", "-fno-strict-aliasing", "-pthread", "-Wall", "-Wextra"]
    command = [*compiler, *always, "-Werror", *flags, f"-I{SRC}", str(REPLAY)]
    done = subprocess.run(
        [*command, *sources, "-o", str(target)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return target


def replay(command: list[str], path: Path) -> set[str]:
    """Runs a recording; returns the instruction sets that reproduced it."""
    done = subprocess.run([*command, str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), f"{path.name}: {done.stderr}"
    return {line.split()[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_build_with_sanitizers_finds_nothing(
    sanitizer: str, recordings: list[Path], tmp_path: Path
) -> None:
    compiler = shutil.which("gcc") or shutil.which("clang")
    assert compiler, "a C compiler is needed: install gcc or clang"
    flags = ["-O1", "-g", *SANITIZERS[sanitizer]]
    program = build([compiler], flags, tmp_path / "replay")

    for path in recordings:
        assert "plain" in replay([str(program)], path)


def aarch64_compiler() -> list[str]:
    """A compiler for aarch64: Debian's, or clang from the `ziglang` package."""
    if debian := shutil.which("aarch64-linux-gnu-gcc"):
        return [debian, "-static"]
    if importlib.util.find_spec("ziglang"):
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"]
        return [*zig, "-static"]
    pytest.fail(
        "no compiler for aarch64: pip install ziglang, "
        "or install the Debian package gcc-aarch64-linux-gnu"
    )


def test_build_for_aarch64_under_qemu_equals_the_reference(
    recordings: list[Path], tmp_path: Path
) -> None:
    qemu = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if qemu is None:
        pytest.fail("no qemu-aarch64: install the Debian package qemu-user-static")
    # Without a sanitizer: zig adds one that is not for production builds.
    flags = ["-O2", "-fno-sanitize=all"]
    program = build(aarch64_compiler(), flags, tmp_path / "replay")

    for path in recordings:
        assert replay([qemu, str(program)], path) == {"plain", "neon"}
