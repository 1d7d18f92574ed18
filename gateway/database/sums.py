"""Exact sums of amounts in SQL, on both databases."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

from gateway.database.base import AMOUNT_DIGITS, Amount

__all__ = ["ExactSum", "register_exact_sum"]

_SQLITE_NAME = "assay_exact_sum"


class ExactSum(FunctionElement[int]):
    """The sum of a column of amounts, as an integer; 0 of no rows."""

    type = Amount()
    name = "exact_sum"
    inherit_cache = True


def register_exact_sum(connection: sqlite3.Connection) -> None:
    """Teach a connection to SQLite the aggregate."""
    connection.create_aggregate(_SQLITE_NAME, 1, _Adder)  # type: ignore[arg-type]


class _Adder:
    """SQLite's own sum would turn these into floats."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, amount: str | None) -> None:
        if amount is not None:
            self._sum += int(amount)

    def finalize(self) -> str:
        return f"{self._sum:0{AMOUNT_DIGITS}d}"


@compiles(ExactSum, "sqlite")
def _on_sqlite(element: ExactSum, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    # An aggregate of no rows is never asked for its result.
    return f"coalesce({_SQLITE_NAME}({column}), '0')"


@compiles(ExactSum, "postgresql")
def _on_postgresql(element: ExactSum, compiler: SQLCompiler, **options: Any) -> str:
    (column,) = element.clauses
    total: ColumnElement[Any] = func.coalesce(func.sum(column), 0)
    return compiler.process(total, **options)
