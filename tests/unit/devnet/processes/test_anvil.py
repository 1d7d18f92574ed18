"""Where the chain's program is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from devnet.errors import ProgramMissing
from devnet.processes import anvil


def test_find_anvil_nowhere_names_make_setup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="make setup"):
        anvil.find_anvil([tmp_path])


def test_find_anvil_node_package_before_path(tmp_path: Path) -> None:
    program = tmp_path / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
    program.parent.mkdir(parents=True)
    program.touch()
    assert anvil.find_anvil([tmp_path]) == program
