"""Deployment on a real node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devnet.processes.anvil import Anvil, development_account, local_chain
from protocol.chain.client import MarketClient
from protocol.chain.deploying.create2 import PROXY
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import CONTRACT_ROLES, Deployment
from protocol.errors import ConfigError, ContractReverted, NoContract
from protocol.market.terms import BURN_ADDRESS, MarketConfig, MarketTerms
from tests.support.network.chain import Stage


def test_deploy_market_has_the_terms_asked_for(market: Stage) -> None:
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
    anvil: Anvil, market: Stage
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


def test_deploy_market_with_an_even_redundancy_sends_nothing(anvil: Anvil) -> None:
    terms = replace(MarketTerms.development(), max_redundancy=4)
    with pytest.raises(ConfigError, match="max_redundancy is 4, give an odd number"):
        deploy_market(anvil.url, development_account(0), token=None, terms=terms)


@pytest.mark.parametrize("is_plain", [False, True])
def test_deploy_market_constructor_refusal_is_told(
    anvil: Anvil, monkeypatch: pytest.MonkeyPatch, is_plain: bool
) -> None:
    """The proxy itself would swallow the reason."""
    monkeypatch.setattr(MarketTerms, "check", lambda terms: None)
    terms = replace(MarketTerms.development(), max_redundancy=4)
    with pytest.raises(ContractReverted) as refusal:
        deploy_market(
            anvil.url,
            development_account(0),
            token=None,
            terms=terms,
            has_plain_addresses=is_plain,
        )
    assert refusal.value.name == "InvalidConfig"
    (config,) = refusal.value.arguments
    assert isinstance(config, MarketConfig)
    assert config.max_redundancy == 4


def test_deploy_market_addresses_are_the_same_on_every_chain() -> None:
    """Whoever deploys, and whatever was deployed before."""
    deployments = []
    treasury = development_account(9).address
    for index, chain_id in enumerate((31337, 1337)):
        with local_chain(chain_id=chain_id) as node:
            Stage.deploy(node)
            deployments.append(
                deploy_market(
                    node.url,
                    development_account(index),
                    token=None,
                    terms=MarketTerms.development(treasury=treasury),
                )
            )
    first, second = deployments
    assert [first.chain_id, second.chain_id] == [31337, 1337]
    for name in CONTRACT_ROLES:
        assert getattr(first, name) == getattr(second, name)


def test_deploy_market_again_finds_what_is_there(own_anvil: Anvil) -> None:
    terms = MarketTerms.development(treasury=development_account(9).address)

    def deploy(index: int) -> Deployment:
        account = development_account(index)
        return deploy_market(own_anvil.url, account, token=None, terms=terms)

    first = deploy(0)
    own_anvil.mine(5)
    block = MarketClient.connect(own_anvil.url, first).block_number()
    assert deploy(1) == first
    assert MarketClient.connect(own_anvil.url, first).block_number() == block


def test_deploy_market_other_terms_share_registry_and_token(own_anvil: Anvil) -> None:
    account, terms = development_account(0), MarketTerms.development()
    first = deploy_market(own_anvil.url, account, token=None, terms=terms)
    cheaper = replace(terms, bounty=1)
    second = deploy_market(own_anvil.url, account, token=None, terms=cheaper)
    assert (second.registry, second.token) == (first.registry, first.token)
    assert second.marketplace != first.marketplace
    assert second.lens != first.lens
    # Models that were registered before count for the later market too.
    assert second.block_number == first.block_number


def test_deploy_market_without_the_proxy_says_what_to_do(own_anvil: Anvil) -> None:
    own_anvil.rpc("anvil_setCode", PROXY, "0x")
    account, terms = development_account(0), MarketTerms.development()
    with pytest.raises(NoContract, match="nothing at 0x4e59.*--plain-addresses"):
        deploy_market(own_anvil.url, account, token=None, terms=terms)
    own_anvil.rpc("anvil_setCode", PROXY, "0x00")
    with pytest.raises(NoContract, match="other code at 0x4e59"):
        deploy_market(own_anvil.url, account, token=None, terms=terms)
    plain = deploy_market(
        own_anvil.url, account, token=None, terms=terms, has_plain_addresses=True
    )
    assert MarketClient.connect(own_anvil.url, plain).config.bounty == terms.bounty


def test_deployment_file_connects_to_what_it_was_saved_from(
    market: Stage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("deployment") / "deployment.json"
    market.deployment.save(path)
    client = MarketClient.connect(market.anvil.url, Deployment.load(path))
    assert client.deployment == market.deployment
