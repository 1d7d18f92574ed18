"""Flags that several commands of `assay worker` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["CONNECTION", "DATA_DIR", "JSON", "KEY", "SERVING", "options"]

DATA_DIR = click.option(
    "--data-dir", type=Path, help="Folder of keys, journal and model cache."
)
KEY = (
    click.option(
        "--key-file", type=Path, help="Private key or keystore, a file of mode 600."
    ),
    click.option(
        "--password-file",
        type=Path,
        help="File with the keystore's password; asked at the terminal without.",
    ),
)
CONNECTION = (
    click.option("--rpc-url", help="Ethereum JSON-RPC endpoint."),
    click.option("--deployment", type=Path, help="Deployment file of the market."),
)
SERVING = (
    click.option("--ipfs-api", help="RPC address of an IPFS node."),
    click.option("--model", "models", multiple=True, help="Model id; may be repeated."),
    click.option("--tick", type=int, help="Price step of the seats, 0 to 7."),
    click.option("--max-seats", type=int, help="Most seats for each model."),
    click.option("--threads", type=int, help="Threads of the engine."),
    click.option("--engine", help="native, torch, or auto for what can be used."),
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Option = Callable[[Any], Any]


def options(given: Sequence[_Option]) -> Callable[[_Function], _Function]:
    """A decorator that adds flags in their order."""

    def decorate(function: _Function) -> _Function:
        for option in reversed(given):
            function = option(function)
        return function

    return decorate
