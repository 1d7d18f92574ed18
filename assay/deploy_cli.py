"""`assay deploy`: parse and print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["deploy"]

# Names are those of `MarketTerms`; a test holds the two together.
_TERMS = {
    "treasury": "Receives the protocol fee. [default: the deployer]",
    "sink": "Receives slashed bonds. [default: a burn address]",
    "seat_bond": "Bond of a seat, token units.",
    "base_fee": "Pay of an agreeing worker besides tokens, token units.",
    "bounty": "Pay for moving a job forward, token units.",
    "fee_bps": "Protocol fee, basis points.",
    "no_show_bps": "Part of the bond that a no-show costs, basis points.",
    "max_redundancy": "Most workers in a first round, odd.",
    "max_rounds": "Most rounds that can be bought, 1 or 2.",
    "max_job_tokens": "Most tokens of a job.",
    "max_callback_gas": "Most gas of a callback; 0 serves none.",
    "commit_floor_seconds": "Commit window of an empty job.",
    "reveal_window_seconds": "Reveal window.",
    "draw_deadline_blocks": "Blocks in which a draw is possible.",
}
_ADDRESSES = ("treasury", "sink")


def _term_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in reversed(_TERMS.items()):
        kind = str if name in _ADDRESSES else int
        flag = "--" + name.replace("_", "-")
        command = click.option(flag, name, type=kind, help=text)(command)
    return command


@click.command()
@click.option("--rpc-url", "--rpc", required=True, help="Ethereum JSON-RPC endpoint.")
@click.option(
    "--key-file", type=Path, required=True, help="Deployer's private key, mode 600."
)
@click.option(
    "--password-file",
    type=Path,
    help="File with the key's password, mode 600; asked at the terminal without.",
)
@click.option("--token", help="Address of the ERC-20 token that everything is paid in.")
@click.option(
    "--test-token", is_flag=True, help="Deploy a worthless test dollar and use it."
)
@click.option(
    "--out", type=Path, required=True, help="Deployment file to write; must not exist."
)
@click.option(
    "--plain-addresses",
    is_flag=True,
    help="Addresses by account and nonce, for a chain without the deployment proxy.",
)
@click.option("--terms", "terms_file", type=Path, help="TOML file with the terms.")
@_term_options
def deploy(
    rpc_url: str,
    key_file: Path,
    password_file: Path | None,
    token: str | None,
    test_token: bool,
    out: Path,
    plain_addresses: bool,
    terms_file: Path | None,
    **given: Any,
) -> None:
    """Deploy the contracts to any chain, and write a deployment file.

    Addresses follow from code and terms alone (CREATE2): they are the same on every
    chain, and what is there already is used. Terms can never be changed. Without a flag
    or a file they are the local network's; amounts of money must be given for a token
    of your own.
    """
    if (token is None) != test_token:
        raise click.UsageError("give either --token ADDRESS or --test-token")
    from assay.deploy import deploy_to
    from assay.terms_file import read_terms
    from protocol.chain.keys.passwords import PasswordSource

    deployment = deploy_to(
        rpc_url,
        key_file,
        token,
        out,
        password=PasswordSource(password_file),
        terms=read_terms(terms_file, given, has_own_token=token is not None),
        has_plain_addresses=plain_addresses,
    )
    click.echo(f"chain        {deployment.chain_id}")
    for role in ("marketplace", "lens", "registry", "token"):
        click.echo(f"{role:<12} {getattr(deployment, role)}")
    click.echo(f"written to   {out}")
