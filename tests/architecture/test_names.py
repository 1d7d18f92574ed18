"""Names: one name, one meaning."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.architecture.test_structure import ROOT, sources

SUPPORT = ROOT / "tests" / "support"


def test_public_classes_have_a_name_of_their_own() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in sources():
        if path.is_relative_to(ROOT / "tests") and not path.is_relative_to(SUPPORT):
            continue  # A double that serves one test is named for that test.
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}
