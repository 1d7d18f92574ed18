"""Adds changes of totals to the stored ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import RowMapping, Table, delete, insert, select, tuple_
from sqlalchemy.orm import Session

from gateway.database.base import Base
from gateway.indexer.event_rows import portions
from gateway.indexer.models import HourRow, ParticipantRow
from gateway.indexer.totals import Totals

__all__ = ["apply_totals"]

_Key = TypeVar("_Key")


def apply_totals(session: Session, changes: Totals) -> None:
    """Add numbers to the totals' rows; a row that comes to nothing goes away.

    Sums are made here and not in SQL, because SQLite has no exact large integers. The
    caller's transaction is the only one that writes them.
    """
    _add(
        session,
        ParticipantRow,
        changes.participants,
        key_of=lambda row: row["address"],
        key_row=lambda key: {"address": key},
    )
    _add(
        session,
        HourRow,
        changes.hours,
        key_of=lambda row: (row["hour_at"], row["model_id"]),
        key_row=lambda key: {"hour_at": key[0], "model_id": key[1]},
    )


def _add(
    session: Session,
    model: type[Base],
    changes: Mapping[_Key, Counter[str]],
    *,
    key_of: Callable[[RowMapping], _Key],
    key_row: Callable[[_Key], dict[str, Any]],
) -> None:
    table = model.__table__
    changed = {key: change for key, change in changes.items() if any(change.values())}
    if not changed or not isinstance(table, Table):
        return
    names = [column.name for column in table.columns if not column.primary_key]
    keys = list(table.primary_key.columns)
    target: Any = keys[0] if len(keys) == 1 else tuple_(*keys)
    stored: dict[_Key, Counter[str]] = {}
    for some in portions(changed):
        for row in session.execute(select(table).where(target.in_(some))).mappings():
            stored[key_of(row)] = Counter({name: row[name] for name in names})
        session.execute(delete(table).where(target.in_(some)))
    rows = []
    for key, change in changed.items():
        before = stored.get(key, Counter())
        numbers = {name: before[name] + change[name] for name in names}
        if any(numbers.values()):
            rows.append(key_row(key) | numbers)
    if rows:
        session.execute(insert(table), rows)
