"""Checking a receipt: nothing in it is believed.

First that it agrees with itself, which needs nothing else, then that its proof ties it
to the hash of a block that is trusted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from protocol.chain.reader import MarketReader
from protocol.errors import BadProof, BadReceipt, RequestError
from protocol.hexadecimal import from_hex
from protocol.strict_json import parse_json
from requester.receipts.checks import ALONE, ReceiptCase
from requester.receipts.format import (
    RECEIPT_VERSION,
    Receipt,
)
from requester.receipts.proof import PROVEN, Trusted

__all__ = [
    "ReceiptCheck",
    "check_alone",
    "parse_receipt",
    "read_receipt",
    "verify",
    "verify_offline",
]

# Receipt, outputs, one of them, its output, its ids; some room for what is refused.
_MAX_DEPTH = 8
_MAX_FILE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReceiptCheck:
    """A step of the verification that held.

    Attributes:
        step: Its name, as a failure would state it.
        fact: What is known now.
    """

    step: str
    fact: str


def read_receipt(path: Path) -> dict[str, Any]:
    """Reads a receipt file.

    Raises:
        RequestError: It cannot be read.
        BadReceipt: It is no JSON object, or states a field twice.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RequestError(
            f"receipt {path} cannot be read: {error.strerror}; check the path"
        ) from error
    return parse_receipt(data, str(path))


def parse_receipt(data: bytes, name: str) -> dict[str, Any]:
    """Reads a receipt's bytes.

    Args:
        data: The bytes.
        name: Where they are from, for messages.

    Raises:
        BadReceipt: They are no JSON object, or state a field twice.
    """
    if len(data) > _MAX_FILE_BYTES:
        raise BadReceipt(f"shape: {name} has more than {_MAX_FILE_BYTES} bytes")
    try:
        value = parse_json(data.decode("utf-8"), max_depth=_MAX_DEPTH)
    except ValueError as error:
        raise BadReceipt(f"shape: {name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadReceipt(f"shape: {name} holds no JSON object")
    return value


def verify(
    receipt: Mapping[str, Any] | Path, market: MarketReader
) -> list[ReceiptCheck]:
    """Checks a receipt, asking a node only for the hash that its proof ends in.

    Args:
        receipt: As `build` made it or `read_receipt` read it, or its file.
        market: The marketplace that is trusted to judge: the one in the receipt must be
            this one.

    Returns:
        The steps that held, all of them.

    Raises:
        BadReceipt: A step failed; the message begins with its name.
        RpcUnavailable: The chain could not be asked.
    """
    if isinstance(receipt, Path):
        receipt = read_receipt(receipt)
    case = _parse(receipt)
    held = _check_alone(case)
    number = case.receipt.posted.block_number + len(case.receipt.proof.headers) - 1
    found = market.block_hash(number)
    block_hash = None if found is None else from_hex(found)
    return held + _check(PROVEN, case, Trusted.by(market.deployment, block_hash))


def verify_offline(receipt: Mapping[str, Any], trusted: Trusted) -> list[ReceiptCheck]:
    """Checks a receipt against the hash of a block, asking nobody.

    Args:
        receipt: As `build` made it or `read_receipt` read it.
        trusted: The block's hash, and what is known of the marketplace.

    Returns:
        The steps that held, all of them.

    Raises:
        BadReceipt: A step failed; the message begins with its name.
    """
    case = _parse(receipt)
    return _check_alone(case) + _check(PROVEN, case, trusted)


def check_alone(receipt: Mapping[str, Any]) -> list[ReceiptCheck]:
    """The steps that rely on nothing: whether a receipt agrees with itself.

    A forger can make a receipt that does. Raises BadReceipt.
    """
    return _check_alone(_parse(receipt))


def _check_alone(case: ReceiptCase) -> list[ReceiptCheck]:
    shape = ReceiptCheck("shape", f"a receipt of version {RECEIPT_VERSION}")
    return [shape, *_check(ALONE, case)]


def _check(
    steps: Mapping[str, Callable[..., str]], *given: object
) -> list[ReceiptCheck]:
    held = []
    for step, check in steps.items():
        try:
            held.append(ReceiptCheck(step, check(*given)))
        except (BadReceipt, BadProof) as error:
            raise BadReceipt(f"{step}: {error}; do not rely on this receipt") from error
    return held


def _parse(value: Mapping[str, Any]) -> ReceiptCase:
    try:
        receipt = Receipt.model_validate_json(json.dumps(value, allow_nan=False))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in fault["loc"]) or "receipt"
        raise BadReceipt(f"shape: {where}: {fault['msg']}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise BadReceipt(f"shape: not a JSON value: {error}") from error
    return ReceiptCase.of(receipt)
