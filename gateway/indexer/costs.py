"""Looks up what indexed transactions cost, beside the index, never in its way."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import select, update

from gateway.database.engine import Database
from gateway.indexer.models import TransactionRow
from protocol.chain.rpc.receipts import TxReceipt
from protocol.hexadecimal import from_hex, to_hex

__all__ = ["CostSource", "fill_costs"]


class CostSource(Protocol):
    """Where costs come from; `MarketReader` is one."""

    def receipt(self, tx_hash: str) -> TxReceipt | None:
        """A transaction's receipt; None while it is in no block."""
        ...


def fill_costs(database: Database, source: CostSource, *, limit: int) -> int:
    """Look up costs that are not known yet, of the newest transactions first.

    A transaction that a reorganisation took away meanwhile keeps none.

    Args:
        database: The index.
        source: The market's node.
        limit: Most transactions to look up.

    Returns:
        How many were found.

    Raises:
        RpcUnavailable: The node failed.
        DatabaseUnavailable: The database is down or locked.
    """
    missing = (
        select(TransactionRow.tx_hash)
        .where(TransactionRow.gas_used.is_(None))
        .order_by(TransactionRow.block_number.desc(), TransactionRow.tx_hash)
        .limit(limit)
    )
    with database.reading() as session:
        hashes = session.scalars(missing).all()
    receipts = [source.receipt(to_hex(one)) for one in hashes]
    found = [receipt for receipt in receipts if receipt is not None]
    if found:
        with database.writing() as session:
            for receipt in found:
                session.execute(
                    update(TransactionRow)
                    .where(
                        TransactionRow.tx_hash == from_hex(receipt.tx_hash),
                        TransactionRow.block_hash == from_hex(receipt.block_hash),
                    )
                    .values(gas_used=receipt.gas_used, gas_price=receipt.gas_price)
                )
    return len(found)
