"""What a transaction cost, from its receipt."""

from __future__ import annotations

from dataclasses import dataclass

from web3 import Web3

from protocol.chain.rpc.provider import request
from protocol.errors import RpcUnavailable

__all__ = ["TransactionCost", "fetch_cost"]


@dataclass(frozen=True, slots=True)
class TransactionCost:
    """The price of a mined transaction.

    Attributes:
        tx_hash: The transaction, `0x` and 64 digits.
        block_hash: Block that holds it, in the same form.
        gas_used: Gas that it used.
        gas_price: What a unit of gas cost, wei.
    """

    tx_hash: str
    block_hash: str
    gas_used: int
    gas_price: int


def fetch_cost(web3: Web3, tx_hash: str) -> TransactionCost | None:
    """Read a transaction's receipt; None where the node has none.

    Args:
        web3: From `rpc.connect`.
        tx_hash: The transaction, `0x` and 64 digits.

    Raises:
        RpcUnavailable: The node failed, or its receipt is malformed.
    """
    raw = request(web3, "eth_getTransactionReceipt", tx_hash)
    if raw is None:
        return None
    try:
        return TransactionCost(
            tx_hash=tx_hash,
            block_hash=raw["blockHash"],
            gas_used=int(raw["gasUsed"], 16),
            # Nodes of before EIP-1559 do not state it.
            gas_price=int(raw.get("effectiveGasPrice", "0x0"), 16),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RpcUnavailable(
            f"the node returned a malformed receipt of {tx_hash}: {error}"
        ) from error
