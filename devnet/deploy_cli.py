"""`assay deploy`: parse and print."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["deploy"]


@click.command()
@click.option("--rpc-url", required=True, help="Ethereum JSON-RPC endpoint.")
@click.option(
    "--key-file", type=Path, required=True, help="Deployer's private key, mode 600."
)
@click.option("--token", help="Address of the ERC-20 token that everything is paid in.")
@click.option(
    "--test-token", is_flag=True, help="Deploy a worthless test dollar and use it."
)
@click.option(
    "--out", type=Path, required=True, help="Deployment file to write; must not exist."
)
def deploy(
    rpc_url: str, key_file: Path, token: str | None, test_token: bool, out: Path
) -> None:
    """Deploy registry and marketplace to any chain, and write a deployment file."""
    if (token is None) != test_token:
        raise click.UsageError("give either --token ADDRESS or --test-token")
    from devnet.deployment import deploy_to

    deployment = deploy_to(rpc_url, key_file, token, out)
    click.echo(f"chain        {deployment.chain_id}")
    click.echo(f"marketplace  {deployment.marketplace}")
    click.echo(f"registry     {deployment.registry}")
    click.echo(f"token        {deployment.token}")
    click.echo(f"written to   {out}")
