from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def node_beside_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finds Node where `make setup` may have put it, without an activated venv."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
