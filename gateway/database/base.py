"""The base of all tables, and column types that mean the same on both databases."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = ["AMOUNT_DIGITS", "Address", "Amount", "Base", "Bytes32", "Count", "JsonOf"]

# 2**96 has 29 digits; sums of many amounts have a few more.
AMOUNT_DIGITS = 38


class Base(DeclarativeBase):
    """Base of the ORM models; constraints have names, so that migrations can drop
    them on both databases.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Amount(TypeDecorator[int]):
    """Token units, exact: a `NUMERIC` on PostgreSQL, zero-padded digits on SQLite.

    SQLite has no integer above 64 bits and would turn a larger one into a float. Padded
    digits compare and sort like the numbers; they cannot be summed in SQL.
    """

    impl = Numeric(AMOUNT_DIGITS, 0)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The column's type on a database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(AMOUNT_DIGITS))
        return dialect.type_descriptor(Numeric(AMOUNT_DIGITS, 0))

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        """A value as the database takes it. Raises ValueError outside the range."""
        if value is None:
            return None
        if not 0 <= value < 10**AMOUNT_DIGITS:
            raise ValueError(f"{value} is no amount of token units")
        return f"{value:0{AMOUNT_DIGITS}d}" if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:
        """A value from the database."""
        return None if value is None else int(value)


class JsonOf(TypeDecorator[Any]):
    """A value of one Python type, kept as JSON text and checked when it is read."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        """Take the type: anything that pydantic can read and write."""
        super().__init__()
        self.kind = kind
        self._adapter: TypeAdapter[Any] = TypeAdapter(kind)

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """A value as the database takes it."""
        if value is None:
            return None
        return self._adapter.dump_json(value, by_alias=True).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any | None:
        """A value from the database. Raises ValueError if it is of another type."""
        return None if value is None else self._adapter.validate_json(value)


Bytes32 = LargeBinary(32)
"""A hash or a digest."""

Address = String(42)
"""An account, in checksum form."""

Count = BigInteger().with_variant(Integer, "sqlite")
"""A number of at most 63 bits: a block, a time in Unix seconds, a gas figure."""
