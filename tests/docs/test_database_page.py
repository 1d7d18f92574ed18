from __future__ import annotations

from gateway.database.schema import schema_metadata


def test_columns_say_what_they_mean() -> None:
    silent = [
        f"{table.name}.{column.name}"
        for table in schema_metadata().tables.values()
        for column in table.columns
        if not column.doc
    ]
    assert silent == []
