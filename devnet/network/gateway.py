"""The local network's gateway: its database, its first API key, its process."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

from devnet.network.plan import Network
from devnet.network.settings_file import TOKEN_DECIMALS, TOKEN_SYMBOL
from devnet.processes.process import Command, Process
from devnet.processes.python import python_environment
from devnet.processes.supervisor import Supervisor

__all__ = [
    "GATEWAY",
    "gateway_command",
    "make_api_key",
    "start_gateway",
    "wait_for_gateway",
]

GATEWAY = "gateway"
MODEL_NAME = "austen"
_STAGE = 2
_START_SECONDS = 120.0
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


def start_gateway(network: Network) -> str:
    """Start the gateway and wait until it is ready; where it listens.

    Raises:
        DevnetError: It cannot be started, ended, or is not ready in time.
    """
    process = network.supervisor.start(gateway_command(network))
    return wait_for_gateway(network.supervisor, process)


def gateway_command(
    network: Network, name: str = GATEWAY, **settings: object
) -> Command:
    """How to run a gateway. Nothing secret is among the arguments.

    Args:
        network: Its chain, content store, wallet and models.
        name: How people call the process.
        settings: Of `GatewaySettings`, where they are not the network's; None leaves
            one out.
    """
    folder = network.folder
    known: Mapping[str, object] = {
        "rpc_url": network.rpc_url,
        "ipfs_api": network.ipfs_api,
        "deployment": folder.deployment_file,
        "key_file": network.gateway.key_file,
        "database_url": _database_url(network),
        "data_dir": folder.gateway_folder,
        "models": json.dumps({MODEL_NAME: network.model_hex}),
        "port": network.plan.gateway_port,
        "token_decimals": TOKEN_DECIMALS,
        "token_symbol": TOKEN_SYMBOL,
    }
    given = {
        f"ASSAY_GATEWAY_{name.upper()}": str(value)
        for name, value in {**known, **settings}.items()
        if value is not None
    }
    return Command(
        name,
        (sys.executable, "-m", "assay.cli", "gateway", "run", "--json-logs"),
        stage=_STAGE,
        environment={**python_environment(), **given},
        folder=folder.gateway_folder,
    )


def wait_for_gateway(supervisor: Supervisor, process: Process) -> str:
    """Wait until a gateway says that it is ready; where it listens.

    Raises:
        DevnetError: It ended, or is not ready in time.
    """

    def ready() -> str:
        facts = process.facts("ready")
        url = str(facts[-1]["address"]) if facts else ""
        return url if url and _answers(url) else ""

    return supervisor.wait_until(
        "the gateway is ready", ready, _START_SECONDS, [process]
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=_ANSWER_SECONDS) as answer:
            return bool(answer.status == _OK)
    except (urllib.error.URLError, OSError):
        return False


def _database_url(network: Network) -> str:
    path = network.folder.gateway_folder / "gateway.sqlite"
    return f"sqlite:///{path.resolve()}"
