"""The examples run as they stand, on the network that `assay up` made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.assay_command import Assay

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_on_a_running_network_succeeds(network: Assay, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=network.folder,
        env=network.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Accepted: " in done.stdout
    assert done.stderr == ""
