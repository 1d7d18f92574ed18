"""`assay worker drain` and `assay worker withdraw`: parse and print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from protocol.roles.options import CHAIN, JSON, KEY, options
from worker.cli.options import DATA_DIR

if TYPE_CHECKING:
    from worker.money.wallet import Withdrawal

__all__ = ["drain", "withdraw"]


@click.command()
@options(CHAIN, KEY, DATA_DIR)
@click.option(
    "--leave", is_flag=True, help="Then wait until the seats' bonds are credit."
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=float,
    default=7_200.0,
    show_default=True,
    help="Seconds to wait at most.",
)
def drain(leave: bool, timeout_seconds: float, **flags: Any) -> None:
    """Have the running worker close its seats, finish what it owes, and end.

    A closing seat can leave 256 blocks or so after it was asked (the market's draw
    deadline); until then its bond stays locked. `--leave` waits for that, also where no
    worker runs. Exits with 9 if it takes too long; what was begun goes on.
    """
    from worker.money.wallet import close_all_seats, unlock_stake
    from worker.process.acting import acting_as_worker
    from worker.process.signals import drain_process
    from worker.settings import WorkerSettings

    settings = WorkerSettings.load(**flags)
    was_running = drain_process(settings.data_dir, limit_seconds=timeout_seconds)
    click.echo("the worker has ended" if was_running else "no worker runs here")
    if leave:
        with acting_as_worker(settings) as client:
            left = unlock_stake(client, click.echo, limit_seconds=timeout_seconds)
        click.echo(f"{left} seats have left")
    elif not was_running:
        with acting_as_worker(settings) as client:
            asked = close_all_seats(client)
        click.echo(f"{asked} seats were asked to close")


@click.command()
@click.argument("amount")
@click.option("--to", help="Who gets it; the worker's own address without.")
@options(CHAIN, KEY, DATA_DIR)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=float,
    default=300.0,
    show_default=True,
    help="Seconds to wait for a running worker.",
)
@JSON
def withdraw(
    amount: str, to: str | None, timeout_seconds: float, as_json: bool, **flags: Any
) -> None:
    """Pay credit out: AMOUNT in whole tokens, such as 12.5, or `all`.

    Where the worker runs, it does so itself, and no password is needed here.
    """
    from worker.money.requests import WithdrawRequest, withdraw_as_worker
    from worker.settings import WorkerSettings

    settings = WorkerSettings.load(**flags)
    units = None if amount == "all" else settings.amounts.units(amount, "AMOUNT")
    request = WithdrawRequest(units, to)
    done = withdraw_as_worker(settings, request, limit_seconds=timeout_seconds)
    if as_json:
        click.echo(json.dumps(_document(done), indent=2))
    else:
        text = settings.amounts.text
        click.echo(
            f"{text(done.amount)} paid to {done.to}, {text(done.credit_left)} left"
        )


def _document(done: Withdrawal) -> dict[str, Any]:
    return {
        "amount": done.amount,
        "to": done.to,
        "txHash": done.tx_hash,
        "creditLeft": done.credit_left,
    }
