"""The local network's gateway: its database, its first API key, its process."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from devnet.network.settings_file import TOKEN_DECIMALS, TOKEN_SYMBOL
from devnet.processes.process import Command
from devnet.processes.python import python_environment

if TYPE_CHECKING:
    from devnet.network.start import Network

__all__ = ["GATEWAY", "gateway_answers", "gateway_command", "make_api_key"]

GATEWAY = "gateway"
MODEL_NAME = "austen"
_STAGE = 2
_ANSWER_SECONDS = 5.0
_CALLS_PER_MINUTE = 100_000
_OK = 200


def make_api_key(network: Network) -> str:
    """Make the gateway's database with one API key, which is also written to a file.

    Raises:
        DatabaseError: The file cannot be used.
    """
    from gateway.accounts.keys import create_key
    from gateway.database.engine import create_database
    from gateway.database.schema import migrate

    network.folder.gateway_folder.mkdir(parents=True, exist_ok=True)
    database = create_database(_database_url(network))
    try:
        migrate(database)
        _, key = database.write(
            lambda session: create_key(
                session, "devnet", budget=None, calls_per_minute=_CALLS_PER_MINUTE
            )
        )
    finally:
        database.close()
    path = network.folder.api_key_file
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


def gateway_command(network: Network) -> Command:
    """How to run the gateway. Nothing secret is among the arguments."""
    plan, folder = network.plan, network.folder
    settings = {
        "RPC_URL": plan.rpc_url,
        "IPFS_API": plan.ipfs_api,
        "DEPLOYMENT": folder.deployment_file,
        "KEY_FILE": network.gateway.key_file,
        "DATABASE_URL": _database_url(network),
        "DATA_DIR": folder.gateway_folder,
        "MODELS": f'{{"{MODEL_NAME}": "{network.model_hex}"}}',
        "PORT": plan.gateway_port,
        "TOKEN_DECIMALS": TOKEN_DECIMALS,
        "TOKEN_SYMBOL": TOKEN_SYMBOL,
    }
    given = {f"ASSAY_GATEWAY_{name}": str(value) for name, value in settings.items()}
    return Command(
        GATEWAY,
        (sys.executable, "-m", "assay.cli", "gateway", "run", "--json-logs"),
        stage=_STAGE,
        environment={**python_environment(), **given},
        folder=folder.gateway_folder,
    )


def gateway_answers(url: str) -> bool:
    """Whether a gateway says that it is ready."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=_ANSWER_SECONDS) as answer:
            return bool(answer.status == _OK)
    except (urllib.error.URLError, OSError):
        return False


def _database_url(network: Network) -> str:
    path = network.folder.gateway_folder / "gateway.sqlite"
    return f"sqlite:///{path.resolve()}"
