"""What a worker needs before it can run, checked and reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from protocol.amounts import format_scaled
from protocol.chain.client import MarketClient
from protocol.chain.keys.accounts import address_in
from protocol.errors import ConfigError, MarketError
from protocol.host.private_files import create_private
from protocol.host.terminal import one_line
from protocol.market.gas_costs import duty_gas
from protocol.roles.session import open_read_only, unlock_account
from protocol.store.failover import IpfsContent
from worker.models.loading import ServedModel, serve_model
from worker.seats.holdings import Holdings
from worker.seats.opening import affordable_seats
from worker.settings import WorkerSettings
from worker.setup.key_ring import KeyRing

__all__ = ["Prepared", "SetupCheck", "examine", "prepare", "write_worker_table"]

_KEY_NAME = "worker"
_COIN_DECIMALS = 6
_WEI_PER_MICROCOIN = 10**12
# A seat's way in and out: deposit, opening, closing, leaving.
_GAS_OF_A_SEAT = 350_000
# What the gas money is reckoned for.
_JOBS = 100
_PLACES = 3


@dataclass(frozen=True, slots=True)
class SetupCheck:
    """One thing that a worker needs.

    Attributes:
        name: What was looked at.
        is_met: Whether it is as it must be.
        fact: What was found.
        advice: What to do; empty if nothing.
    """

    name: str
    is_met: bool
    fact: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A worker that has a key and settings.

    Attributes:
        settings: What it will run with.
        address: Its address.
        has_new_key: Whether the key was made just now.
        has_new_table: Whether the settings file had no `[worker]` table before.
    """

    settings: WorkerSettings
    address: ChecksumAddress
    has_new_key: bool
    has_new_table: bool


def prepare(settings: WorkerSettings, file: Path) -> Prepared:
    """Make what is missing of key and settings file.

    Args:
        settings: What was asked for.
        file: The settings file in force.

    Raises:
        ConfigError: A file cannot be used or written.
    """
    key_file, is_new = settings.key_file, False
    if key_file is None:
        ring = KeyRing(settings.data_dir)
        key_file = ring.path_of(_KEY_NAME)
        is_new = not key_file.exists()
        if is_new:
            ring.new(_KEY_NAME, settings.password)
    complete = settings.model_copy(update={"key_file": key_file})
    address = address_in(key_file)
    if address is None:
        # A keystore that keeps its address to itself.
        address = to_checksum_address(unlock_account(complete).address)
    has_table = write_worker_table(file, _table(complete))
    return Prepared(complete, address, is_new, has_table)


def _table(settings: WorkerSettings) -> dict[str, Any]:
    """What was chosen, as the settings file has it; paths from any folder."""
    table: dict[str, Any] = {
        "rpc_url": settings.rpc_url,
        "ipfs_api": settings.ipfs_api,
        "deployment": str(settings.deployment.resolve()),
        "data_dir": str(settings.data_dir.resolve()),
        "models": list(settings.models),
        "tick": settings.tick,
        "max_seats": settings.max_seats,
        "threads": settings.threads,
        "engine": settings.engine,
    }
    for name in ("key_file", "password_file"):
        path: Path | None = getattr(settings, name)
        if path is not None:
            table[name] = str(path.resolve())
    return table


def write_worker_table(path: Path, values: Mapping[str, Any]) -> bool:
    """Add a `[worker]` table to a settings file; one that is there is kept.

    Args:
        path: The settings file; made if missing.
        values: Text, numbers, booleans and lists of text, by name.

    Returns:
        Whether it was written.

    Raises:
        ConfigError: The file cannot be written.
    """
    table = tomli_w.dumps({"worker": values})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # An RPC address can hold a password.
            create_private(path, table, "settings file")
            return True
        old = path.read_text(encoding="utf-8")
        if any(line.strip() == "[worker]" for line in old.splitlines()):
            return False
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{table}")
    except OSError as error:
        raise ConfigError(
            f"settings file {path} cannot be written: {error.strerror}"
        ) from error
    return True


def examine(settings: WorkerSettings, worker: ChecksumAddress) -> Iterator[SetupCheck]:
    """Check chain, IPFS node, models, stake and gas money, in this order.

    Args:
        settings: What the worker would run with.
        worker: Its address.
    """
    try:
        session = open_read_only(settings)
        client, store = session.market, session.store
        block = client.block_number()
    except MarketError as error:
        yield SetupCheck(
            "chain", False, one_line(error), "see --rpc-url and --deployment"
        )
        return
    marketplace = client.deployment.marketplace
    fact = f"chain {client.chain_id}, block {block}, market {marketplace}"
    yield SetupCheck("chain", True, fact)
    try:
        yield SetupCheck("ipfs", True, f"version {store.ping()} at {store.api}")
    except MarketError as error:
        yield SetupCheck("ipfs", False, one_line(error), "start it, or see --ipfs-api")
        return
    seats = 0
    if not settings.model_ids:
        yield SetupCheck(
            "model", False, "none is chosen", "give --model with a model id"
        )
    for check, count in _models(settings, client, store):
        seats += count
        yield check
    yield from _money(settings, client, worker, seats)


def _models(
    settings: WorkerSettings, client: MarketClient, store: IpfsContent
) -> Iterator[tuple[SetupCheck, int]]:
    for model_id in settings.model_ids:
        name = f"model 0x{model_id.hex()[:8]}…"
        try:
            model = serve_model(
                client,
                store,
                model_id,
                cache=settings.data_dir / "models",
                options=settings.engine_options,
                wrap_engine=lambda engine: engine,
            )
            count = affordable_seats(
                model.spec, model.tokens_per_second, settings.max_seats
            )
        except MarketError as error:
            yield SetupCheck(name, False, one_line(error), "choose another model"), 0
            continue
        yield SetupCheck(name, True, _model_fact(model, count)), count


def _model_fact(model: ServedModel, seats: int) -> str:
    needed = 1000 / model.spec.ms_per_token
    return (
        f"verified, {model.tokens_per_second:,.0f} tokens/s; a seat signs up to "
        f"{needed:,.0f} tokens/s, so {seats} can be held"
    )


def _money(
    settings: WorkerSettings, client: MarketClient, worker: ChecksumAddress, seats: int
) -> Iterator[SetupCheck]:
    text = settings.amounts.text
    bond = client.config.seat_bond
    held = len(Holdings(client, worker).read())
    needed = max(0, seats - held) * bond
    has = client.account_of(worker).credit + client.token_balance(worker)
    yield SetupCheck(
        "stake",
        has >= needed,
        f"{seats} seats of {text(bond)} each, {held} held; {text(needed)} more are "
        f"needed, {text(has)} are there",
        "" if has >= needed else f"send {text(needed - has)} to {worker}",
    )
    gas = seats * _GAS_OF_A_SEAT + _JOBS * duty_gas(_PLACES)
    wei = gas * client.gas_price()
    balance = client.balance(worker)
    yield SetupCheck(
        "gas",
        balance >= wei,
        f"{_coins(wei)} for the seats and {_JOBS} jobs at today's price, "
        f"{_coins(balance)} are there",
        "" if balance >= wei else f"send {_coins(wei - balance)} to {worker}",
    )


def _coins(wei: int) -> str:
    """Rounded up to six decimals: what is needed is needed whole."""
    return format_scaled(-(-wei // _WEI_PER_MICROCOIN), _COIN_DECIMALS, "ETH")
