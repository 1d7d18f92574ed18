"""Deploying a market to a chain that is not ours to start."""

from __future__ import annotations

from pathlib import Path

from assay.terms_file import parse_address
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.keys.accounts import load_account
from protocol.chain.keys.passwords import PasswordSource
from protocol.chain.rpc.provider import connect
from protocol.errors import ConfigError
from protocol.market.terms import MarketTerms

__all__ = ["deploy_to"]


def deploy_to(
    rpc_url: str,
    key_file: Path,
    token: str | None,
    out: Path,
    *,
    password: PasswordSource,
    terms: MarketTerms,
    has_plain_addresses: bool = False,
) -> Deployment:
    """Deploy registry, marketplace and lens, and the test dollar if no token is given.

    Args:
        rpc_url: Node of the chain.
        key_file: Deployer's key or keystore, mode 600; its address becomes the treasury
            unless the terms name one.
        token: Address of the ERC-20 to pay in, or None.
        out: Deployment file to write; checked before anything is sent.
        password: Where a keystore's password comes from.
        terms: The marketplace's terms.
        has_plain_addresses: Whether to do without the deployment proxy.

    Raises:
        ConfigError: A file or an address makes no sense; names it.
        ChainError: The chain did not do it.
    """
    if out.exists():
        raise ConfigError(
            f"{out} exists and is not replaced: move it, or choose another --out"
        )
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}; make it")
    address = None if token is None else parse_address("--token", token)
    chain_id = connect(rpc_url).eth.chain_id
    account = load_account(key_file, chain_id=chain_id, password=password)
    deployment = deploy_market(
        rpc_url,
        account,
        token=address,
        terms=terms,
        has_plain_addresses=has_plain_addresses,
    )
    deployment.save(out)
    return deployment
