"""Rooms: a folder that a reader can take in at a glance, and a page at its door."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.architecture.test_structure import PACKAGES, ROOT, sources

MAX_MODULES = 16
MAX_PAGE_LINES = 60


def test_folders_of_a_package_hold_few_modules() -> None:
    counts = Counter(
        str(path.parent.relative_to(ROOT))
        for path in sources()
        if path.relative_to(ROOT).parts[0] in PACKAGES and path.stem != "__init__"
    )
    assert {name: n for name, n in counts.items() if n > MAX_MODULES} == {}


def test_packages_say_in_one_line_what_they_hold() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if path.stem == "__init__"
        and path.relative_to(ROOT).parts[0] in PACKAGES
        and not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_page_of_a_package_names_every_room(package: str) -> None:
    folder = ROOT / package
    text = (folder / "README.md").read_text(encoding="utf-8")
    rooms = {
        path.relative_to(folder).parts[0].removesuffix(".py")
        for path in sources()
        if folder in path.parents and not path.stem.startswith("__")
    }
    assert [room for room in sorted(rooms) if f"`{room}" not in text] == []
    assert len(text.splitlines()) <= MAX_PAGE_LINES or package == "benchmarks"
