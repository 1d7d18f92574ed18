from __future__ import annotations

from pathlib import Path

import pytest

from gateway.completions.catalogue import Catalogue
from gateway.errors import NothingFound
from gateway.jobs.market_access import MarketAccess
from protocol.hexadecimal import to_hex
from protocol.market.types import ModelSpec
from requester.jobs.connections import Connections
from requester.jobs.tokenizers import TokenizerCache
from tests.support.market.world import REQUESTER, World


def an_access(folder: Path, **market: object) -> tuple[MarketAccess, ModelSpec]:
    world = World.build(folder, **market)  # type: ignore[arg-type]
    connections = Connections(
        market=world.market,
        account=REQUESTER,
        store=world.store,
        tokenizers=TokenizerCache(world.store, folder),
        clock=world.clock,
        poll_seconds=1,
        results_timeout_seconds=1,
    )
    return MarketAccess(connections, max_prompts=9), world.market.spec


def test_resolve_finds_a_model_by_its_name_or_id(tmp_path: Path) -> None:
    access, spec = an_access(tmp_path)
    catalogue = Catalogue(access, {"austen": to_hex(spec.model_id())})
    for name in ("austen", to_hex(spec.model_id())):
        assert catalogue.resolve(name) == spec.model_id()
        assert catalogue.find(name).spec == spec
    assert [one.name for one in catalogue.all()] == ["austen"]


@pytest.mark.parametrize("name", ["", "other", "0x12", "0x" + "zz" * 32, "AUSTEN"])
def test_resolve_of_another_name_finds_nothing(tmp_path: Path, name: str) -> None:
    access, spec = an_access(tmp_path)
    with pytest.raises(NothingFound) as caught:
        Catalogue(access, {"austen": to_hex(spec.model_id())}).resolve(name)
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


def test_resolve_of_a_name_for_an_unregistered_model_finds_nothing(
    tmp_path: Path,
) -> None:
    access, _ = an_access(tmp_path)
    with pytest.raises(NothingFound):
        Catalogue(access, {"gone": "0x" + "ab" * 32}).resolve("gone")


def test_all_without_names_are_those_of_a_development_chain_only(
    tmp_path: Path,
) -> None:
    access, spec = an_access(tmp_path, chain_id=31337)
    (listed,) = Catalogue(access, {}).all()
    assert listed.name == to_hex(spec.model_id())
    access, spec = an_access(tmp_path, chain_id=1)
    elsewhere = Catalogue(access, {})
    assert elsewhere.all() == []
    with pytest.raises(NothingFound):
        elsewhere.resolve(to_hex(spec.model_id()))
