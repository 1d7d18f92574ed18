from __future__ import annotations

import pytest

from contracts import load_artifact
from contracts.build import CONTRACTS


@pytest.mark.parametrize("name", CONTRACTS)
def test_load_artifact_deployed_contract_is_complete(name: str) -> None:
    artifact = load_artifact(name)

    assert artifact.name == name
    assert {entry["type"] for entry in artifact.abi} >= {"function", "event", "error"}
    assert artifact.bytecode.endswith(artifact.deployed_bytecode[-32:])


@pytest.mark.parametrize("name", CONTRACTS)
def test_load_artifact_deployed_code_fits_the_limit(name: str) -> None:
    # EIP-170.
    assert 0 < len(load_artifact(name).deployed_bytecode) <= 24_576


@pytest.mark.parametrize("name", ["Nothing", "", "../build", "Marketplace.json"])
def test_load_artifact_unknown_name_raises_and_lists_names(name: str) -> None:
    with pytest.raises(LookupError, match="Marketplace, ModelRegistry, TestDollar"):
        load_artifact(name)
