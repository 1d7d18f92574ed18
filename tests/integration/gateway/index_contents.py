"""What an index says, for comparison."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, delete, select

from gateway.database.base import Base
from gateway.database.engine import Database
from gateway.database.leases import Lease
from gateway.indexer.apply import forget_all
from gateway.indexer.indexer import Indexer
from gateway.indexer.models import IndexRow
from gateway.indexer.position import IndexedMarket
from tests.support.market.market_history import MADE_MARKETPLACE, MadeChain

__all__ = ["MARKET", "contents", "empty", "index_all", "table_names"]

MARKET = IndexedMarket(31_337, MADE_MARKETPLACE, 0, 2**95)


def tables() -> list[Table]:
    return [
        table
        for name, table in sorted(Base.metadata.tables.items())
        if name.startswith("market_")
    ]


def table_names() -> list[str]:
    return [table.name for table in tables()]


def contents(
    database: Database, *, has_costs: bool = True
) -> dict[str, list[dict[str, Any]]]:
    """Rows of all tables of the index, in the order of their keys.

    How often it was polled, and the heads that were seen on the way, are left out; what
    transactions cost too, where it is not wanted.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    with database.reading() as session:
        for table in tables():
            query = select(table).order_by(*table.primary_key.columns)
            if table.name == "market_blocks":
                query = query.where(table.c.event_count > 0)
            rows = [dict(row) for row in session.execute(query).mappings()]
            for row in rows:
                row.pop("version", None)
                if not has_costs and "gas_used" in row:
                    row |= {"gas_used": None, "gas_price": None}
            found[table.name] = rows
    return found


def empty(database: Database) -> None:
    """Forget everything, and who indexes."""
    with database.writing() as session:
        forget_all(session)
        session.execute(delete(IndexRow))
        session.execute(delete(Lease))


def index_all(database: Database, chain: MadeChain) -> int:
    """Index a chain from where the database is; the number of events."""
    indexer = Indexer(database, chain, MARKET)
    indexed = 0
    while True:
        step = indexer.step()
        indexed += step.event_count
        if step.lag_blocks == 0:
            indexer.resign()
            return indexed
