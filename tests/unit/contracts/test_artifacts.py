from __future__ import annotations

import pytest

from contracts import load_artifact
from contracts.build import CONTRACTS

READ_ONLY = {"MarketplaceLens"}


@pytest.mark.parametrize("name", CONTRACTS)
def test_load_artifact_deployed_contract_is_complete(name: str) -> None:
    artifact = load_artifact(name)

    assert artifact.name == name
    wanted = {"function"} if name in READ_ONLY else {"function", "event", "error"}
    assert {entry["type"] for entry in artifact.abi} >= wanted
    assert artifact.bytecode.endswith(artifact.deployed_bytecode[-32:])


@pytest.mark.parametrize("name", CONTRACTS)
def test_load_artifact_deployed_code_fits_the_limit(name: str) -> None:
    # EIP-170.
    assert 0 < len(load_artifact(name).deployed_bytecode) <= 24_576


@pytest.mark.parametrize("name", CONTRACTS)
def test_masked_code_hides_the_immutables_and_nothing_else(name: str) -> None:
    artifact = load_artifact(name)
    code = artifact.deployed_bytecode
    assert artifact.masked(code) == code
    changed = bytearray(code)
    for start, length in artifact.immutables:
        changed[start : start + length] = b"\xff" * length
    assert artifact.masked(bytes(changed)) == code
    changed[0] ^= 1
    assert artifact.masked(bytes(changed)) != code


@pytest.mark.parametrize("name", ["Nothing", "", "../build", "Marketplace.json"])
def test_load_artifact_unknown_name_raises_and_lists_names(name: str) -> None:
    with pytest.raises(LookupError, match="Marketplace, MarketplaceLens, "):
        load_artifact(name)
