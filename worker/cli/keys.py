"""`assay worker keys`: parse and print, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from protocol.roles.options import JSON, options
from worker.cli.options import DATA_DIR

__all__ = ["keys"]

_PASSWORD = click.option(
    "--password-file",
    type=Path,
    help="File with the password of the new file; asked at the terminal without.",
)


@click.group()
def keys() -> None:
    """Make and keep key files. A key is never an argument, and never shown."""


@keys.command()
@click.argument("name", default="worker")
@options(DATA_DIR, _PASSWORD, JSON)
def new(name: str, password_file: Path | None, as_json: bool, **flags: Any) -> None:
    """Make a key in an encrypted file of the data folder."""
    from protocol.chain.keys.passwords import PasswordSource

    _print_one(_ring(flags).new(name, PasswordSource(password_file)), as_json)


@keys.command(name="list")
@options(DATA_DIR, JSON)
def list_(as_json: bool, **flags: Any) -> None:
    """List the key files of the data folder."""
    found = [_document(key) for key in _ring(flags).list()]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for key in found:
        kind = "encrypted" if key["isEncrypted"] else "plain"
        click.echo(f"{key['address'] or '?':42}  {key['fault'] or kind}  {key['path']}")


@keys.command(name="import")
@click.argument("source", type=Path)
@click.argument("name", default="worker")
@click.option(
    "--source-password-file",
    type=Path,
    help="File with the source's password, if it is encrypted.",
)
@options(DATA_DIR, _PASSWORD, JSON)
def import_(
    source: Path,
    name: str,
    source_password_file: Path | None,
    password_file: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Copy a key from SOURCE into an encrypted file of the data folder.

    SOURCE is a file with 64 hexadecimal digits, or a keystore of a wallet; /dev/stdin
    will do. It is not removed.
    """
    from protocol.chain.keys.passwords import PasswordSource

    old, new_ = PasswordSource(source_password_file), PasswordSource(password_file)
    _print_one(_ring(flags).import_key(name, source, old, new_), as_json)


@keys.command(name="change-password")
@click.argument("key_file", type=Path)
@click.option(
    "--old-password-file", type=Path, help="File with the password that opens it now."
)
@click.option(
    "--new-password-file", type=Path, help="File with the one that shall open it."
)
def change_password(
    key_file: Path, old_password_file: Path | None, new_password_file: Path | None
) -> None:
    """Encrypt KEY_FILE anew; a plain one is encrypted for the first time."""
    from protocol.chain.keys.accounts import change_password as change
    from protocol.chain.keys.passwords import PasswordSource
    from worker.process.data_dir import hold_key

    # Whoever runs with the file holds it as it is.
    with hold_key(key_file):
        change(
            key_file,
            PasswordSource(old_password_file),
            PasswordSource(new_password_file),
        )
    click.echo(f"{key_file} opens with the new password only")


def _ring(flags: dict[str, Any]) -> Any:
    from worker.settings import WorkerSettings
    from worker.setup.key_ring import KeyRing

    return KeyRing(WorkerSettings.load(**flags).data_dir)


def _print_one(key: Any, as_json: bool) -> None:
    document = _document(key)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(f"{document['address']}  {document['path']}")


def _document(key: Any) -> dict[str, Any]:
    return {
        "path": str(key.path),
        "address": key.address,
        "isEncrypted": key.is_encrypted,
        "fault": key.fault,
    }
