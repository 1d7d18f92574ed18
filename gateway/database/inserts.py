"""Inserts that leave a row alone which is there already, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from gateway.database.base import Base

__all__ = ["insert_if_absent"]


def insert_if_absent(session: Session, model: type[Base], **values: Any) -> bool:
    """Insert a row unless one with the same key exists; whoever else tries waits.

    Returns:
        Whether the row is new.
    """
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if is_sqlite else postgresql.insert
    keys = list(model.__mapper__.primary_key)
    row = insert(model).values(**values).on_conflict_do_nothing()
    return session.execute(row.returning(*keys)).first() is not None
