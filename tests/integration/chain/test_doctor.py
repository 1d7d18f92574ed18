"""`assay doctor` on a real node: well, and ill in all ways that can be made."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address

from assay.doctor import diagnose
from assay.findings import Finding, Level
from devnet.processes.anvil import local_chain
from protocol.chain.deployment import Deployment
from protocol.errors import RpcUnavailable
from tests.support.network.chain import Stage

NOWHERE = to_checksum_address("0x" + "be" * 20)


def _findings(market: Stage, deployment: Deployment | None = None) -> list[Finding]:
    return list(diagnose(market.anvil.url, deployment or market.deployment))


def _faults(findings: list[Finding]) -> dict[str, str]:
    return {f.what: f"{f.fact} → {f.advice}" for f in findings if f.level is Level.BAD}


def test_diagnose_a_fresh_deployment_is_well(market: Stage) -> None:
    market.anvil.mine(3)
    findings = _findings(market)
    assert _faults(findings) == {}
    facts = {finding.what: finding.fact for finding in findings}
    assert "this program's code" in facts["marketplace"]
    assert "chain's own height" in facts["block.number"]
    assert "differs in each" in facts["prevRandao"]
    assert "EIP-2935 keeps" in facts["old hashes"]
    assert "decimals 6" in facts["token"]


def test_diagnose_another_chain_is_said(market: Stage) -> None:
    deployment = replace(market.deployment, chain_id=5)
    assert "serves 31337" in _faults(_findings(market, deployment))["chain"]


@pytest.mark.parametrize("role", ["marketplace", "lens", "registry", "token"])
def test_diagnose_a_contract_that_is_gone_is_named(market: Stage, role: str) -> None:
    deployment = replace(market.deployment, **{role: NOWHERE})  # type: ignore[arg-type]
    assert (
        f"nothing is deployed at {NOWHERE}"
        in _faults(_findings(market, deployment))[role]
    )


def test_diagnose_code_that_changed_is_named(market: Stage) -> None:
    registry = market.deployment.registry
    market.anvil.rpc("anvil_setCode", registry, "0x00")
    assert "another contract" in _faults(_findings(market))["registry"]


def test_diagnose_code_of_another_version_is_named(market: Stage) -> None:
    registry = market.deployment.registry
    market.anvil.rpc("anvil_setCode", registry, "0x00")
    deployment = replace(market.deployment, code_hashes={})
    assert "another version" in _faults(_findings(market, deployment))["registry"]


def test_diagnose_a_token_that_pays_nothing_out_is_ill(market: Stage) -> None:
    # Returns the word 0 to every question.
    market.anvil.rpc("anvil_setCode", market.deployment.token, "0x5f5f5260205ff3")
    deployment = replace(market.deployment, code_hashes={})
    assert "returns false" in _faults(_findings(market, deployment))["token"]
    market.anvil.rpc("anvil_setCode", market.deployment.token, "0x00")
    assert "balanceOf" in _faults(_findings(market, deployment))["token"]


def test_diagnose_without_old_hashes_says_how_long_seeds_last(market: Stage) -> None:
    market.anvil.rpc(
        "anvil_setCode", "0x0000F90827F1C53a10cb7A02335B175320002935", "0x"
    )
    facts = {finding.what: finding for finding in _findings(market)}
    assert facts["old hashes"].level is Level.FINE
    assert "256 blocks" in facts["old hashes"].fact


def test_diagnose_without_a_node_is_unavailable(market: Stage) -> None:
    with local_chain() as gone:
        url = gone.url
    with pytest.raises(RpcUnavailable, match="cannot connect"):
        list(diagnose(url, market.deployment))
