from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tools.sdk import MODULES, sdk_page

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def page() -> str:
    return "\n".join(sdk_page())


@pytest.mark.parametrize("module", MODULES)
def test_sdk_page_has_every_public_class_and_function(page: str, module: str) -> None:
    exported = importlib.import_module(module)
    for name in exported.__all__:
        value = getattr(exported, name)
        if callable(value) and getattr(value, "__module__", "") == module:
            assert f"### {name}\n" in page or f"#### {name}\n" in page, name


def test_sdk_page_lists_every_example(page: str) -> None:
    for path in EXAMPLES.glob("*.py"):
        assert f"(../../examples/{path.name})" in page


def test_sdk_page_shows_no_private_names(page: str) -> None:
    assert "=_" not in page
    assert "#### Client._" not in page
