"""Deployment on a real node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.chain.client import MarketClient
from protocol.chain.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.terms import BURN_ADDRESS, MarketTerms
from protocol.errors import ContractReverted, NoContract
from protocol.market import MarketConfig
from tests.support.anvil import Anvil, development_account
from tests.support.chain import Market


def test_deploy_market_has_the_terms_asked_for(market: Market) -> None:
    client = market.client(None)
    deployment = market.deployment
    assert client.config == MarketConfig(
        token=deployment.token,
        registry=deployment.registry,
        treasury=development_account(0).address,
        sink=BURN_ADDRESS,
        seat_bond=50_000_000,
        base_fee=20_000,
        bounty=10_000,
        fee_bps=100,
        no_show_bps=1000,
        max_redundancy=7,
        max_rounds=2,
        max_job_tokens=262_144,
        max_callback_gas=1_000_000,
        commit_floor_seconds=10,
        reveal_window_seconds=60,
        draw_deadline_blocks=256,
    )
    assert set(deployment.code_hashes) == {"marketplace", "lens", "registry", "token"}
    assert client.deployment == deployment
    assert client.chain_id == deployment.chain_id == 31337
    assert client.block_hash(deployment.block_number) is not None


def test_deploy_market_on_a_token_that_exists_uses_it(
    anvil: Anvil, market: Market
) -> None:
    token = market.deployment.token
    treasury = development_account(9).address
    terms = MarketTerms.development(treasury=treasury)
    deployment = deploy_market(
        anvil.url, development_account(0), token=token, terms=terms
    )
    assert deployment.token == token
    assert deployment.code_hashes["token"] == market.deployment.code_hashes["token"]
    client = MarketClient.connect(anvil.url, deployment)
    assert (client.config.token, client.config.treasury) == (token, treasury)


def test_deploy_market_on_a_token_without_code_raises(anvil: Anvil) -> None:
    with pytest.raises(NoContract, match=f"no token at {BURN_ADDRESS}"):
        deploy_market(
            anvil.url,
            development_account(0),
            token=BURN_ADDRESS,
            terms=MarketTerms.development(),
        )


def test_deploy_market_with_an_even_redundancy_reverts(anvil: Anvil) -> None:
    terms = replace(MarketTerms.development(), max_redundancy=4)
    with pytest.raises(ContractReverted) as refusal:
        deploy_market(anvil.url, development_account(0), token=None, terms=terms)
    assert refusal.value.name == "InvalidConfig"
    (config,) = refusal.value.arguments
    assert isinstance(config, MarketConfig)
    assert config.max_redundancy == 4


def test_deployment_file_connects_to_what_it_was_saved_from(
    market: Market, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("deployment") / "deployment.json"
    market.deployment.save(path)
    client = MarketClient.connect(market.anvil.url, Deployment.load(path))
    assert client.deployment == market.deployment
