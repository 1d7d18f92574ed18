"""`assay up`, `assay down`, `assay status`: parse and print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protocol.roles.options import JSON

if TYPE_CHECKING:
    from devnet.network.folder import NetworkState
    from devnet.network.plan import Network, NetworkPlan
    from devnet.network.status import NetworkStatus

__all__ = ["down", "status", "up"]

_DEFAULT_FOLDER = Path(".assay")
_Port = click.IntRange(1, 65535)
_MODEL_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

_folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=_DEFAULT_FOLDER,
    show_default=True,
    help="Folder of the network's files.",
)


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 16),
    default=3,
    show_default=True,
    help="Number of worker processes.",
)
@click.option(
    "--seats",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Most seats of each worker.",
)
@click.option("--detach", is_flag=True, help="Return when everything is ready.")
@click.option("--rpc-port", type=_Port, default=8545, show_default=True)
@click.option("--ipfs-port", type=_Port, default=5001, show_default=True)
@click.option("--gateway-port", type=_Port, default=8000, show_default=True)
@click.option("--gateway/--no-gateway", "has_gateway", default=True, help="OpenAI API.")
@click.option(
    "--block-time",
    type=click.IntRange(1, 60),
    default=1,
    show_default=True,
    help="Seconds between blocks.",
)
@click.option("--model", type=_MODEL_FOLDER, help="Package folder. [default: bundled]")
@_folder_option
def up(
    workers: int,
    seats: int,
    detach: bool,
    rpc_port: int,
    ipfs_port: int,
    gateway_port: int,
    has_gateway: bool,
    block_time: int,
    model: Path | None,
    folder: Path,
) -> None:
    """Start a chain, IPFS, contracts, workers and a gateway; stop them on Ctrl-C."""
    click.echo("assay: a local network, for development only")
    from devnet.network import run as network
    from devnet.network.folder import NetworkFolder

    port = gateway_port if has_gateway else None
    plan = _plan(workers, seats, rpc_port, ipfs_port, port, block_time, model)
    files = NetworkFolder(folder)
    if detach:
        options = {
            "--workers": workers,
            "--seats": seats,
            "--rpc-port": rpc_port,
            "--ipfs-port": ipfs_port,
            "--gateway-port": gateway_port,
            "--block-time": block_time,
            "--dir": files.root,
        }
        flat = [str(part) for option in options.items() for part in option]
        flat += [] if model is None else ["--model", str(model)]
        flat += [] if has_gateway else ["--no-gateway"]
        state = network.detach(files, plan, ["up", *flat])
        _print_state(state)
        click.echo("\nIt runs in the background: `assay status`, `assay down`.")
        return
    network.run_network(files, plan, _step, _print_ready)
    click.echo("stopped; no process is left")


@click.command()
@_folder_option
def down(folder: Path) -> None:
    """Stop a local network and wait until every process has ended."""
    from devnet.network.folder import NetworkFolder
    from devnet.network.run import stop_network

    stop_network(NetworkFolder(folder))
    click.echo("stopped; no process is left")


@click.command()
@JSON
@_folder_option
def status(as_json: bool, folder: Path) -> None:
    """Show a local network's processes, endpoints, height, seats and jobs."""
    from devnet.network.folder import NetworkFolder
    from devnet.network.status import look

    seen = look(NetworkFolder(folder))
    if as_json:
        click.echo(json.dumps(seen.to_json(), indent=2))
    else:
        _print_status(seen)


def _plan(
    workers: int,
    seats: int,
    rpc_port: int,
    ipfs_port: int,
    gateway_port: int | None,
    block_time: int,
    model: Path | None,
) -> NetworkPlan:
    from devnet.network.plan import NetworkPlan, WorkerPlan
    from inference import BUNDLED_MODEL

    return NetworkPlan(
        rpc_port=rpc_port,
        ipfs_port=ipfs_port,
        block_seconds=block_time,
        workers=(WorkerPlan(max_seats=seats),) * workers,
        models=(model or BUNDLED_MODEL,),
        gateway_port=gateway_port,
    )


def _step(sentence: str) -> None:
    click.echo(f"  {sentence}")


def _print_ready(network: Network) -> None:
    state = network.folder.read_state()
    assert state is not None
    _print_state(state)
    click.echo('\nTry `assay job submit "It is a truth"`. Ctrl-C stops everything.')


def _print_state(state: NetworkState) -> None:
    click.echo("\nready")
    click.echo(f"  chain    {state.rpc_url}")
    click.echo(f"  IPFS     {state.ipfs_api}")
    if state.gateway_url:
        click.echo(f"  gateway  {state.gateway_url}  (OpenAI API at /v1, pages at /)")
        click.echo(f"  API key  {state.api_key_file}")
    click.echo(f"  model    {state.model_id}")
    for account in state.accounts:
        click.echo(f"  {account.name:<10} {account.address}  {account.key_file}")


def _print_status(seen: NetworkStatus) -> None:
    state = seen.state
    click.echo(f"phase    {state.phase} (process {state.pid})")
    click.echo(f"chain    {state.rpc_url}  block {seen.block_number}")
    click.echo(f"IPFS     {state.ipfs_api}")
    click.echo(f"gateway  {state.gateway_url or 'none'}")
    click.echo(f"model    {state.model_id}")
    click.echo(f"seats    {seen.seats}")
    jobs = ", ".join(f"{count} {name}" for name, count in seen.jobs)
    click.echo(f"jobs     {jobs or 'none'}")
    for process in state.processes:
        code = process.exit_code
        how = f"process {process.pid}" if code is None else f"ended with {code}"
        click.echo(f"  {process.name:<10} {how}  {process.log}")
