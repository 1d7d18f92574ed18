"""`assay verify`: parse and print, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from protocol.errors import ConfigError, RequestError, RpcUnavailable
from protocol.hexadecimal import from_hex
from protocol.roles.options import CHAIN, JSON, options

if TYPE_CHECKING:
    from requester.receipts.proof import Trusted
    from requester.receipts.verify import ReceiptCheck
    from requester.settings import RequesterSettings

__all__ = ["verify"]

_EPILOG = (
    "Exit codes: 0 it holds; 2 a setting that cannot be met; 3 the chain; 4 it does "
    "not hold, do not rely on it."
)


@click.command(epilog=_EPILOG)
@click.argument("receipt", type=Path)
@click.option("--block-hash", help="Trust this block and ask no node.")
@click.option("--marketplace", help="With --block-hash: whose receipts count.")
@options(CHAIN, JSON)
def verify(
    receipt: Path,
    *,
    block_hash: str | None,
    marketplace: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Check a receipt: by itself, then against the hash of the block it ends in.

    A node of the chain tells that hash, or `--block-hash` does, and then nobody is
    asked.
    """
    from requester.receipts.verify import check_alone, read_receipt, verify_offline
    from requester.settings import RequesterSettings

    value = read_receipt(receipt)
    held = check_alone(value)
    settings = RequesterSettings.load(**given)
    if block_hash is None:
        if marketplace is not None:
            raise RequestError("--marketplace goes with --block-hash only")
        checks = _ask(value, held, settings)
    else:
        trusted = _trusted(block_hash, marketplace, settings)
        checks = verify_offline(value, trusted)
    view = {
        "isValid": True,
        "jobId": value["jobId"],
        "checks": [{"step": check.step, "fact": check.fact} for check in checks],
    }
    if as_json:
        click.echo(json.dumps(view, indent=2))
        return
    for check in checks:
        click.echo(f"ok  {check.step}: {check.fact}")
    click.echo(f"the receipt of job {value['jobId']} is valid")


def _ask(
    value: dict[str, Any], held: list[ReceiptCheck], settings: RequesterSettings
) -> list[ReceiptCheck]:
    from protocol.roles.session import open_read_only
    from requester.receipts.verify import verify as verify_receipt

    try:
        market = open_read_only(settings).market
    except (ConfigError, RpcUnavailable) as error:
        # A receipt that agrees with itself may still be made up.
        kind = ConfigError if isinstance(error, ConfigError) else RpcUnavailable
        raise kind(
            f"{len(held)} checks of the receipt itself hold, but whether the chain "
            f"agrees needs an RPC of chain {value['chainId']}: {error}; give --rpc-url "
            "and --deployment, or the hash of a block that you trust by --block-hash"
        ) from error
    return verify_receipt(value, market)


def _trusted(
    block_hash: str, marketplace: str | None, settings: RequesterSettings
) -> Trusted:
    from eth_utils.address import is_address, to_checksum_address

    from protocol.chain.deployment import Deployment
    from requester.receipts.proof import Trusted

    try:
        hash_bytes = from_hex("0x" + block_hash.removeprefix("0x"), 32)
    except ValueError as error:
        raise RequestError(
            f"--block-hash is {block_hash!r}, not 0x and 64 digits"
        ) from error
    if marketplace is not None:
        if not is_address(marketplace):
            raise RequestError(
                f"--marketplace is {marketplace!r}, not 0x and 40 hexadecimal digits"
            )
        return Trusted(hash_bytes, marketplace=to_checksum_address(marketplace))
    if not settings.deployment.exists():
        return Trusted(hash_bytes)
    return Trusted.by(Deployment.load(settings.deployment), hash_bytes)
