"""Flags that several commands of `assay worker` share."""

from __future__ import annotations

from pathlib import Path

import click

from protocol.roles.options import Option

__all__ = ["DATA_DIR", "SERVING"]

DATA_DIR = click.option(
    "--data-dir", type=Path, help="Folder of keys, journal and model cache."
)
SERVING: tuple[Option, ...] = (
    click.option("--model", "models", multiple=True, help="Model id; may be repeated."),
    click.option("--tick", type=int, help="Price step of the seats, 0 to 7."),
    click.option("--max-seats", type=int, help="Most seats for each model."),
    click.option("--threads", type=int, help="Threads of the engine."),
    click.option("--engine", help="native, torch, or auto for what can be used."),
)
