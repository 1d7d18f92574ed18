"""Deploying a market to a chain that is not ours to start."""

from __future__ import annotations

from pathlib import Path

from eth_utils.address import is_address, is_checksum_address, to_checksum_address

from protocol.chain.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.keys import load_account
from protocol.chain.rpc import connect
from protocol.chain.terms import MarketTerms
from protocol.errors import ConfigError

__all__ = ["deploy_to"]


def deploy_to(rpc_url: str, key_file: Path, token: str | None, out: Path) -> Deployment:
    """Deploy registry and marketplace, and the test dollar if no token is given.

    Args:
        rpc_url: Node of the chain.
        key_file: Deployer's key, mode 600; its address becomes the treasury.
        token: Address of the ERC-20 to pay in, or None.
        out: Deployment file to write; checked before anything is sent.

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
    if token is not None and not _is_plausible(token):
        raise ConfigError(
            f"--token {token} is no address: 0x and 40 hexadecimal digits, with the "
            "checksum of EIP-55 if it has capitals"
        )
    chain_id = connect(rpc_url).eth.chain_id
    account = load_account(key_file, chain_id=chain_id)
    deployment = deploy_market(
        rpc_url,
        account,
        token=None if token is None else to_checksum_address(token),
        terms=MarketTerms.development(),
    )
    deployment.save(out)
    return deployment


def _is_plausible(address: str) -> bool:
    if not address.startswith("0x") or not is_address(address):
        return False
    return address[2:].islower() or is_checksum_address(address)
