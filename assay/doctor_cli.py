"""`assay doctor`: parse and print."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from protocol.roles.options import JSON

__all__ = ["doctor"]

_UNWELL = 11


@click.command()
@click.option("--rpc-url", default="http://127.0.0.1:8545", help="JSON-RPC endpoint.")
@click.option(
    "--deployment",
    type=Path,
    default=Path(".assay/deployment.json"),
    help="Deployment file of the market.",
)
@JSON
@click.pass_context
def doctor(ctx: click.Context, rpc_url: str, deployment: Path, as_json: bool) -> None:
    """Check a deployment and its chain; say what is wrong and what to do.

    Sends nothing and needs no key. Exits with 11 if something is bad.
    """
    from assay.doctor import diagnose
    from assay.findings import Level
    from protocol.chain.deployment import Deployment

    levels = set()
    listed = []
    for finding in diagnose(rpc_url, Deployment.load(deployment)):
        levels.add(finding.level)
        listed.append(asdict(finding))
        if not as_json:
            click.echo(f"{finding.level.value:<4} {finding.what}: {finding.fact}")
            if finding.advice:
                click.echo(f"     → {finding.advice}")
    is_healthy = Level.BAD not in levels
    if as_json:
        value = {"isHealthy": is_healthy, "findings": listed}
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        click.echo("the deployment is well" if is_healthy else "the deployment is ill")
    ctx.exit(0 if is_healthy else _UNWELL)
