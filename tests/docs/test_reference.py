from __future__ import annotations

import pytest

from tools.reference import PAGES, REFERENCE, render


@pytest.mark.parametrize("page", PAGES)
def test_reference_page_equals_the_code(page: str) -> None:
    written = (REFERENCE / page).read_text(encoding="utf-8")
    assert written == render(page), "run `make reference`"
