from __future__ import annotations

from collections.abc import Iterator

import pytest

from devnet.processes.anvil import Anvil
from tests.support.network.chain import Stage


@pytest.fixture(scope="session")
def deployed(anvil: Anvil) -> Stage:
    return Stage.deploy(anvil)


@pytest.fixture
def market(deployed: Stage) -> Iterator[Stage]:
    """A marketplace on the shared node; what a test does to it is undone."""
    with deployed.anvil.undone():
        yield deployed
