"""The package loader against random damage: an `EngineError`, or the damage shows."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import EngineError
from inference.packages.package import PACKAGE_FILES, read_package
from inference.packages.vectors import read_vectors
from tests.support.models.packages import write_random_package


@pytest.fixture(scope="module")
def sound() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    write_random_package(folder)
    yield folder
    shutil.rmtree(folder)


def read_all(folder: Path) -> bytes:
    """Reads everything that a package holds; returns the weights root."""
    package = read_package(folder)
    read_vectors(folder, package.shape.limits)
    return package.weights_root()


def place_in(content: bytes, share: float) -> int:
    return min(int(share * len(content)), len(content) - 1)


SHARES = st.floats(0, 1)
DAMAGES = st.one_of(
    st.tuples(st.just("flip"), SHARES, st.integers(0, 7)),
    st.tuples(st.just("cut"), SHARES, st.just(0)),
    st.tuples(st.just("overwrite"), SHARES, st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("insert"), SHARES, st.binary(min_size=1, max_size=40)),
)


def damage(content: bytes, kind: str, share: float, detail: int | bytes) -> bytes:
    place = place_in(content, share)
    if isinstance(detail, bytes):
        end = place + len(detail) if kind == "overwrite" else place
        return content[:place] + detail + content[end:]
    if kind == "cut":
        return content[:place]
    flipped = content[place] ^ (1 << detail)
    return content[:place] + bytes([flipped]) + content[place + 1 :]


@given(
    name=st.sampled_from(PACKAGE_FILES),
    harm=DAMAGES,
    in_header=st.booleans(),
)
def test_read_package_randomly_damaged_is_refused_or_shows(
    sound: Path, name: str, harm: tuple[str, float, int | bytes], in_header: bool
) -> None:
    kind, share, detail = harm
    if name == "model.safetensors" and in_header:
        share /= 8  # the header is the first part of a file this small
    content = (sound / name).read_bytes()
    spoilt = damage(content, kind, share, detail)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(sound, Path(scratch) / "package"))
        (folder / name).write_bytes(spoilt)
        try:
            root = read_all(folder)
        except EngineError:
            return
    # A header of other bytes may still say the same.
    if name == "model.safetensors" and data_of(spoilt) != data_of(content):
        assert root != read_all(sound)


def data_of(file: bytes) -> bytes:
    return file[8 + int.from_bytes(file[:8], "little") :]
