"""The names that programs import: all of them, lazily, and no deeper ones anywhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import assay

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("devnet", "gateway", "inference", "protocol", "requester", "worker")
DEEP = re.compile(rf"^\s*(from|import) ({'|'.join(PACKAGES)})\b", re.MULTILINE)


def test_face_exports_exactly_what_all_names() -> None:
    homes = {name: getattr(assay, name).__module__ for name in assay.__all__}
    assert homes == assay._HOMES
    assert assay.__all__ == sorted(assay.__all__)
    assert set(assay.__all__) <= set(dir(assay))


@pytest.mark.parametrize("name", assay.__all__)
def test_name_of_the_face_is_public_at_home(name: str) -> None:
    home = importlib.import_module(getattr(assay, name).__module__)
    assert name in home.__all__


def test_unknown_name_of_the_face_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        assay.Klient  # noqa: B018


def test_import_of_the_face_loads_none_of_our_packages() -> None:
    script = f"import sys, assay; print(set({PACKAGES}) & set(sys.modules))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "path",
    [
        *sorted((ROOT / "examples").glob("*.py")),
        ROOT / "README.md",
        *sorted((ROOT / "docs" / "guides").glob("*.md")),
    ],
    ids=lambda path: path.name,
)
def test_examples_and_guides_import_nothing_deeper(path: Path) -> None:
    assert DEEP.findall(path.read_text(encoding="utf-8")) == []
