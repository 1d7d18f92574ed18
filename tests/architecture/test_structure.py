"""The shape of the code: sizes, names and exports that the house style asks for."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "assay",
    "benchmarks",
    "contracts",
    "devnet",
    "gateway",
    "inference",
    "protocol",
    "requester",
    "worker",
)
MAX_MODULE_LINES = 400
MAX_TEST_MODULE_LINES = 450
MAX_FUNCTION_LINES = 50
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
TEST_NAME = re.compile(r"^test_[a-z0-9]+(_[a-z0-9]+){2,}$")


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository that git knows or would know."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--"]
    listing = subprocess.run(
        [*command, *patterns], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listing.stdout.splitlines()]


def sources() -> list[Path]:
    return [path for path in tracked("*.py") if path.is_file()]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_packaged(path: Path) -> bool:
    return path.relative_to(ROOT).parts[0] in PACKAGES


def test_modules_in_the_tree_are_small() -> None:
    large = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines()))
        > (MAX_MODULE_LINES if is_packaged(path) else MAX_TEST_MODULE_LINES)
    }
    assert large == {}


def test_functions_in_the_tree_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path in sources()
        if is_packaged(path)
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= MAX_FUNCTION_LINES
    ]
    assert long == []


def test_modules_in_the_tree_name_their_idea() -> None:
    assert [path for path in sources() if path.stem in VAGUE_NAMES] == []


def test_test_names_say_function_condition_and_result() -> None:
    odd = [
        f"{path.relative_to(ROOT)} {function.name}"
        for path in sources()
        if path.name.startswith("test_")
        for function in functions(path)
        if function.name.startswith("test_") and not TEST_NAME.match(function.name)
    ]
    assert odd == []


def modules_with_exports() -> list[str]:
    names = []
    for path in tracked(*(f"{package}/*.py" for package in PACKAGES)):
        if path.is_file() and "\n__all__ = " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


@pytest.mark.parametrize("name", modules_with_exports())
def test_module_exports_exactly_what_all_names(name: str) -> None:
    module = importlib.import_module(name)
    exported = module.__all__
    assert exported == sorted(exported, key=_sort_key)
    public = {
        attribute
        for attribute, value in vars(module).items()
        if not attribute.startswith("_")
        and getattr(value, "__module__", None) == name
        and isinstance(value, type)
    }
    assert public <= set(exported)
    assert all(hasattr(module, attribute) for attribute in exported)


def _sort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff sorts them."""
    if name.isupper():
        return (0, name)
    return (1, name) if name[0].isupper() else (2, name)


def test_tracked_files_name_no_machine() -> None:
    absolute = re.compile(r"(^|[^A-Za-z0-9_.~-])/(root|home)/[A-Za-z]")
    named = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.is_file()
        and path.suffix in {".py", ".md", ".toml", ".json", ".sol", ".lock", ""}
        and absolute.search(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert named == []
