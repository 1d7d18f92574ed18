"""The gateway's tables as a page, from the models."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Column, Dialect, Table, create_mock_engine

from gateway.database.base import Base
from gateway.database.schema import schema_metadata

__all__ = ["database_page"]

_INTRODUCTION = """\
# The gateway's database

SQLite or PostgreSQL, as `database_url` says; the tables are the same. They are made and
changed by migrations, which `assay gateway run` runs at its start and `assay gateway
migrate` by hand. Other programs may read them; only a gateway writes.

- Amounts are units of the escrow token: `NUMERIC(38, 0)` on PostgreSQL, 38 digits with
  leading zeros on SQLite, which would round an integer above 64 bits.
- Times are Unix seconds, hashes and ids 32 bytes, accounts checksum addresses.
- Tables of the `market_` kind repeat the chain and can be rebuilt from it: empty them
  all while no gateway runs, and the next one starts over. All others are the
  gateway's own books: back them up.
"""


def database_page() -> Iterator[str]:
    """The page's lines: each table with its columns, types and meanings."""
    yield _INTRODUCTION
    tables = schema_metadata().tables
    models = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    for name, table in sorted(tables.items()):
        yield f"## {name}\n"
        yield " ".join((models[table].__doc__ or "").split()) + "\n"
        yield "| column | PostgreSQL | SQLite | meaning |\n|---|---|---|---|"
        for column in table.columns:
            yield _column(column)
        yield ""
        yield from _indexes(table)


def _column(column: Column[object]) -> str:
    types = (column.type.compile(dialect=dialect) for dialect in _dialects())
    key = " (key)" if column.primary_key else ""
    said = [(column.doc or "").rstrip("."), "may be missing" if column.nullable else ""]
    meaning = "; ".join(part for part in said if part)
    return f"| `{column.name}`{key} | {' | '.join(types)} | {meaning} |"


def _dialects() -> tuple[Dialect, ...]:
    return (
        create_mock_engine("postgresql+psycopg://", lambda *_: None).dialect,
        create_mock_engine("sqlite://", lambda *_: None).dialect,
    )


def _indexes(table: Table) -> Iterator[str]:
    indexes = sorted(
        (index.unique, ", ".join(f"`{column.name}`" for column in index.columns))
        for index in table.indexes
    )
    for is_unique, columns in indexes:
        yield f"- {'unique' if is_unique else 'index'}: {columns}"
    if indexes:
        yield ""
