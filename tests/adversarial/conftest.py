"""One market for all attacks: a node, an IPFS node and three honest workers."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.adversarial.contest import UPDATE
from tests.adversarial.scene import Scene
from tools.reference import REFERENCE, render


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene.open(tmp_path_factory.mktemp("zoo")) as scene:
        yield scene
    if os.environ.get(UPDATE) == "true":
        page = render("attacks.md")
        (REFERENCE / "attacks.md").write_text(page, encoding="utf-8")
