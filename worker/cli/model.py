"""`assay model`: parse and print, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inference import PROFILES
from protocol.hexadecimal import to_hex
from protocol.roles.options import CONNECTION, JSON, options

if TYPE_CHECKING:
    from inference import Backend

__all__ = ["model"]


@click.group()
def model() -> None:
    """Bring a GPT-2 into integers, and publish it."""


@model.command(name="import")
@click.argument("source")
@click.option(
    "--profile",
    type=click.Choice([*PROFILES]),
    required=True,
    help="Arithmetic to import into.",
)
@click.option("--out", type=Path, required=True, help="Folder to make.")
@click.option(
    "--text",
    type=Path,
    help="UTF-8 text to calibrate on; its last tenth is held out to measure on. "
    "The bundled novels by default.",
)
@click.option(
    "--held-out-tokens",
    type=click.IntRange(min=1),
    help="Most tokens to measure perplexities on.",
)
@click.option("--revision", help="Branch, tag or commit of a hub id.")
@click.option("--threads", type=int, default=1, show_default=True, help="CPU threads.")
@click.option(
    "--backend",
    type=click.Choice(["auto", "native", "torch"]),
    default="auto",
    show_default=True,
    help="Integer engine that measures.",
)
@JSON
def import_(
    source: str,
    profile: str,
    out: Path,
    text: Path | None,
    held_out_tokens: int | None,
    revision: str | None,
    threads: int,
    backend: Backend,
    as_json: bool,
) -> None:
    """Import a Hugging Face GPT-2 (folder or hub id) into a package.

    Quantises the model and prints what that cost: perplexity of both on held-out
    text, and how many values stood at a clamp.
    """
    from inference import resolve_source
    from inference.importing.run import (
        DEFAULT_HELD_OUT_TOKENS,
        ImportSettings,
        import_model,
    )

    settings = ImportSettings(
        profile=profile,
        text=text,
        held_out_tokens=held_out_tokens or DEFAULT_HELD_OUT_TOKENS,
        threads=threads,
        backend=backend,
    )
    folder = resolve_source(source, revision=revision)
    report = import_model(
        folder,
        out,
        settings,
        name=source,
        progress=lambda step: click.echo(f"  {step}", err=True),
    )
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        click.echo("\n".join([*report.lines(), f"written to          {out}"]))


@model.command()
@click.argument("folder", type=Path)
@options(CONNECTION)
@click.option(
    "--base-price",
    type=click.IntRange(min=1),
    help="Units of the escrow token for a token at tick 0.",
)
@click.option(
    "--ms-per-token",
    type=click.IntRange(min=1),
    help="Pace that a seat's owner signs up to.",
)
@JSON
def publish(
    folder: Path,
    base_price: int | None,
    ms_per_token: int | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Put a package on IPFS and register it; prints the model id.

    The package's test vectors are computed first.
    """
    from worker.models.publish import publish_from_settings
    from worker.settings import WorkerSettings

    settings = WorkerSettings.load(**flags)
    model_id = publish_from_settings(
        folder, settings, base_price=base_price, ms_per_token=ms_per_token
    )
    text = to_hex(model_id)
    click.echo(json.dumps({"modelId": text}) if as_json else text)
