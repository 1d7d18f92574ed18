from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.requester.network import Network
from tests.support.anvil import Anvil


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    """One node for all tests; each deploys a marketplace of its own on it."""
    with Anvil() as node:
        yield node


@pytest.fixture
def network(anvil: Anvil, tmp_path: Path) -> Network:
    """A marketplace with a model and four workers that the test moves."""
    return Network.start(anvil, tmp_path)
