from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.machines.databases import (
    database,
    database_url,
    migrated_sqlite,
    postgres,
)
from tests.support.network.gateway import GatewayMarket, GatewayProcess, gateway_market

__all__ = ["database", "database_url", "migrated_sqlite", "postgres"]


@pytest.fixture(scope="package")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayMarket]:
    """Chain, IPFS and workers for all gateways of this folder's tests."""
    with gateway_market(tmp_path_factory.mktemp("market")) as running:
        yield running


@pytest.fixture(scope="package")
def gateway(
    market: GatewayMarket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway for tests that do not harm it, on SQLite."""
    path = tmp_path_factory.mktemp("gateway") / "gateway.sqlite"
    with market.gateway(f"sqlite:///{path}") as running:
        yield running
