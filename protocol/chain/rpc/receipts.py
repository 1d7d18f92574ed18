"""What became of a transaction, from its receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_typing import ChecksumAddress
from web3 import Web3

from protocol.chain.abi.decoding import decode_log
from protocol.chain.rpc.provider import request
from protocol.errors import RpcUnavailable
from protocol.hexadecimal import checksum_address
from protocol.market.events import Log

__all__ = ["TxReceipt", "fetch_receipt"]


@dataclass(frozen=True, slots=True)
class TxReceipt:
    """A transaction that is in a block.

    Attributes:
        tx_hash: The transaction, `0x` and 64 digits.
        block_number: Block that holds it.
        block_hash: That block's hash, in the same form.
        has_succeeded: Whether it did what it was sent for; else it only cost gas.
        gas_used: Gas that it took.
        gas_price: Wei paid for a unit of gas.
        logs: Its events of our contracts, in order.
        contract_address: Contract that it created, if any.
    """

    tx_hash: str
    block_number: int
    block_hash: str
    has_succeeded: bool
    gas_used: int
    gas_price: int
    logs: tuple[Log, ...] = ()
    contract_address: ChecksumAddress | None = None


def fetch_receipt(web3: Web3, tx_hash: str) -> TxReceipt | None:
    """A transaction's receipt; None while it is in no block.

    Args:
        web3: From `rpc.connect`.
        tx_hash: The transaction, `0x` and 64 digits.

    Raises:
        RpcUnavailable: The node failed, or its receipt is malformed.
    """
    raw = request(web3, "eth_getTransactionReceipt", tx_hash)
    if raw is None or raw.get("blockNumber") is None:
        return None
    try:
        logs = [_our_log(log) for log in raw["logs"]]
        created = raw.get("contractAddress")
        return TxReceipt(
            tx_hash=tx_hash,
            block_number=int(raw["blockNumber"], 16),
            block_hash=raw["blockHash"],
            has_succeeded=int(raw["status"], 16) == 1,
            gas_used=int(raw["gasUsed"], 16),
            # Nodes of before EIP-1559 do not state it.
            gas_price=int(raw.get("effectiveGasPrice", "0x0"), 16),
            logs=tuple(log for log in logs if log is not None),
            contract_address=checksum_address(created) if created else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(f"malformed receipt of {tx_hash}: {error}") from error


def _our_log(raw: Mapping[str, Any]) -> Log | None:
    """A log of our contracts; another's may have our topic over something else.

    Such a log must not keep a transaction from counting as mined: whoever is called
    back could else stop an account for good.
    """
    try:
        return decode_log(raw)
    except RpcUnavailable:
        return None
