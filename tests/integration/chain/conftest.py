from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.network.anvil import Anvil
from tests.support.network.chain import Market


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    """One node for all tests that put it back as it was."""
    with Anvil() as node:
        yield node


@pytest.fixture
def own_anvil() -> Iterator[Anvil]:
    """A node for tests that change what others rely on."""
    with Anvil() as node:
        yield node


@pytest.fixture(scope="session")
def deployed(anvil: Anvil) -> Market:
    return Market.deploy(anvil)


@pytest.fixture
def market(deployed: Market) -> Iterator[Market]:
    """A marketplace on the shared node; what a test does to it is undone."""
    with deployed.anvil.undone():
        yield deployed
