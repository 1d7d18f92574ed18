"""Flags that commands of several roles share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["CHAIN", "CONNECTION", "JSON", "JSON_LOGS", "KEY", "Option", "options"]

Option = Callable[[Any], Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])

CHAIN: tuple[Option, ...] = (
    click.option("--rpc-url", help="Ethereum JSON-RPC endpoint."),
    click.option("--deployment", type=Path, help="Deployment file of the market."),
)
KEY: tuple[Option, ...] = (
    click.option(
        "--key-file", type=Path, help="Private key or keystore, a file of mode 600."
    ),
    click.option(
        "--password-file",
        type=Path,
        help="File with the keystore's password; asked at the terminal without.",
    ),
)
CONNECTION: tuple[Option, ...] = (
    *CHAIN,
    click.option("--ipfs-api", help="RPC address of an IPFS node."),
    *KEY,
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
JSON_LOGS = click.option(
    "--json-logs/--text-logs", default=False, help="Format of the logs."
)


def options(*groups: Option | Sequence[Option]) -> Callable[[_Function], _Function]:
    """Puts flags and groups of flags on a command, in their order."""
    flat: list[Option] = []
    for group in groups:
        flat.extend(group if isinstance(group, Sequence) else [group])

    def decorate(function: _Function) -> _Function:
        for option in reversed(flat):
            function = option(function)
        return function

    return decorate
