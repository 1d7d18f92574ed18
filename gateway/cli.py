"""`assay gateway`: parse and print, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protocol.roles.options import CONNECTION, JSON, JSON_LOGS, options

if TYPE_CHECKING:
    from gateway.accounts.keys import ApiKey
    from gateway.database.engine import Database
    from protocol.amounts import Amounts

__all__ = ["gateway"]

_DATABASE = click.option("--database-url", help="Where accounts and the index live.")
_EPILOG = (
    "Exit codes: 0 done; 2 a setting that makes no sense; 3 the chain; 7 the database; "
    "1 another refusal."
)


@click.group(epilog=_EPILOG)
def gateway() -> None:
    """Serve the OpenAI API over the market, and keep its accounts."""


@gateway.command(epilog=_EPILOG)
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.")
@click.option("--public-url", help="Where callers reach the gateway.")
@options(CONNECTION)
@_DATABASE
@click.option("--data-dir", type=Path, help="Folder of transactions and tokenizers.")
@click.option("--batch-window-ms", type=int, help="How long a call waits for others.")
@JSON_LOGS
def run(json_logs: bool, **flags: Any) -> None:
    """Serve until told to stop."""
    from gateway.server import run_gateway
    from gateway.settings import GatewaySettings
    from protocol.host.log_format import configure_logging

    configure_logging(as_json=json_logs)
    run_gateway(GatewaySettings.load(**flags))


@gateway.command()
@_DATABASE
@JSON
def migrate(database_url: str | None, as_json: bool) -> None:
    """Bring the database to this version's form; `run` does so too."""
    from gateway.database.schema import migrate as migrate_database

    with _database(database_url, is_ready=False) as database:
        before, after = migrate_database(database)
    if as_json:
        click.echo(json.dumps({"before": before, "after": after}))
    elif before == after:
        click.echo(f"the database is at version {after} already")
    else:
        click.echo(f"from version {before or 'none'} to {after}")


# ---------------------------------------------------------------- keys


@gateway.group()
def keys() -> None:
    """API keys: who may call, and what each may spend."""


@keys.command()
@click.argument("name")
@click.option(
    "--budget", help="Most it may spend, in whole tokens; no limit if absent."
)
@click.option("--calls-per-minute", type=int, help="Rate limit.")
@_DATABASE
@JSON
def create(
    name: str,
    budget: str | None,
    calls_per_minute: int | None,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Make a key. It is shown now and never again."""
    from gateway.accounts.keys import create_key
    from gateway.settings import GatewaySettings

    settings = GatewaySettings.load()
    rate = calls_per_minute or settings.calls_per_minute
    with _database(database_url) as database:
        units = _units(budget)
        made, secret = database.write(
            lambda s: create_key(s, name, budget=units, calls_per_minute=rate)
        )
    if as_json:
        click.echo(json.dumps({**_view(made), "key": secret}, indent=2))
        return
    click.echo(secret)
    click.echo(f"{made.key_id}: keep the key above, it is not shown again", err=True)


@keys.command("list")
@_DATABASE
@JSON
def list_(database_url: str | None, as_json: bool) -> None:
    """Show all keys with what they have spent."""
    from gateway.accounts.keys import list_keys

    with _database(database_url) as database, database.reading() as session:
        found = list_keys(session)
    if as_json:
        click.echo(json.dumps({"keys": [_view(one) for one in found]}, indent=2))
        return
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("no keys yet: `assay gateway keys create NAME` makes one", err=True)


@keys.command()
@click.argument("key_id")
@_DATABASE
@JSON
def revoke(key_id: str, database_url: str | None, as_json: bool) -> None:
    """Refuse a key from now on; its calls under way go on."""
    from gateway.accounts.keys import revoke_key

    with _database(database_url) as database:
        changed = database.write(lambda s: revoke_key(s, key_id))
    click.echo(json.dumps(_view(changed), indent=2) if as_json else _line(changed))


@keys.command()
@click.argument("key_id")
@click.argument("amount")
@_DATABASE
@JSON
def budget(key_id: str, amount: str, database_url: str | None, as_json: bool) -> None:
    """Set the most that a key may ever spend: whole tokens, or `none`."""
    from gateway.accounts.keys import set_budget

    units = None if amount == "none" else _units(amount)
    with _database(database_url) as database:
        changed = database.write(lambda s: set_budget(s, key_id, units))
    click.echo(json.dumps(_view(changed), indent=2) if as_json else _line(changed))


# ---------------------------------------------------------------- wallet


@gateway.group()
def wallet() -> None:
    """The key that posts and pays."""


@wallet.command("create")
@click.argument("keystore", type=Path)
@click.option(
    "--password-file",
    type=Path,
    help="File with the password, mode 600; asked for if absent.",
)
@click.option("--from-key-file", type=Path, help="Keep this key instead of a new one.")
@JSON
def create_wallet(
    keystore: Path,
    password_file: Path | None,
    from_key_file: Path | None,
    as_json: bool,
) -> None:
    """Write an encrypted keystore, and print its address."""
    from protocol.chain.keys.accounts import create_keystore, read_key
    from protocol.chain.keys.passwords import PasswordSource

    key = None if from_key_file is None else read_key(from_key_file)
    address = create_keystore(keystore, PasswordSource(password_file), key)
    created = {"address": address, "keystore": str(keystore)}
    click.echo(json.dumps(created) if as_json else address)


# ---------------------------------------------------------------- shared


@contextmanager
def _database(url: str | None, *, is_ready: bool = True) -> Iterator[Database]:
    from gateway.database.engine import create_database
    from gateway.database.schema import migrate as migrate_database
    from gateway.settings import GatewaySettings

    settings = GatewaySettings.load(database_url=url)
    database = create_database(
        settings.database_url.get_secret_value(),
        wait_seconds=settings.database_wait_seconds,
    )
    with database:
        if is_ready:
            migrate_database(database)
        yield database


def _amounts() -> Amounts:
    from gateway.settings import GatewaySettings

    return GatewaySettings.load().amounts


def _units(amount: str | None) -> int | None:
    return None if amount is None else _amounts().units(amount, "the budget")


def _view(key: ApiKey) -> dict[str, Any]:
    balance = key.balance
    return {
        "keyId": key.key_id,
        "name": key.name,
        "createdAt": key.created_at,
        "revokedAt": key.revoked_at,
        "budget": balance.budget,
        "spent": balance.spent,
        "reserved": balance.reserved,
        "callsPerMinute": key.calls_per_minute,
    }


def _line(key: ApiKey) -> str:
    amounts = _amounts()
    balance = key.balance
    limit = "no limit" if balance.budget is None else amounts.text(balance.budget)
    state = "" if key.revoked_at is None else "  revoked"
    return (
        f"{key.key_id}  {key.name:<20}  spent {amounts.text(balance.spent)} "
        f"of {limit}, {amounts.text(balance.reserved)} reserved{state}"
    )
