from __future__ import annotations

from tests.support.machines.databases import (
    database,
    database_url,
    migrated_sqlite,
    postgres,
)

__all__ = ["database", "database_url", "migrated_sqlite", "postgres"]
