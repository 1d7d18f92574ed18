from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.models.checkpoints import write_tiny_checkpoint


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint that nobody may damage."""
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny_checkpoint(folder)
    return folder
