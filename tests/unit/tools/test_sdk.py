from __future__ import annotations

from pathlib import Path

import pytest

import assay
from tools.sdk import RETURNED, sdk_page

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.fixture(scope="module")
def page() -> str:
    return "\n".join(sdk_page())


@pytest.mark.parametrize("name", [*assay.__all__, *RETURNED])
def test_sdk_page_has_every_public_name(page: str, name: str) -> None:
    assert f"### {name}\n" in page or f"#### {name}\n" in page


def test_sdk_page_lists_every_example(page: str) -> None:
    for path in EXAMPLES.glob("*.py"):
        assert f"(../../examples/{path.name})" in page


def test_sdk_page_shows_no_private_names(page: str) -> None:
    assert "=_" not in page
    assert "#### Client._" not in page
