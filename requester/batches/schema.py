"""Tables of a batch's journal."""

from __future__ import annotations

from protocol.errors import BatchError
from protocol.host.sqlite_file import SqliteSchema

__all__ = ["SCHEMA"]

# Amounts are text: they go to 2**96, SQLite's integers to 2**63.
_FIRST = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY,
    first_row INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    max_tokens INTEGER NOT NULL,
    escrow TEXT NOT NULL,
    min_cost TEXT NOT NULL,
    is_waiting INTEGER NOT NULL DEFAULT 1,
    attempt BLOB
) STRICT;
CREATE INDEX waiting_chunks ON chunks (number) WHERE is_waiting;
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    chunk INTEGER NOT NULL,
    line INTEGER NOT NULL,
    name TEXT,
    request TEXT NOT NULL,
    output TEXT
) STRICT;
CREATE INDEX rows_of_chunks ON rows (chunk);
CREATE TABLE attempts (
    job_id BLOB PRIMARY KEY,
    chunk INTEGER NOT NULL,
    params BLOB NOT NULL,
    content BLOB,
    escrow TEXT NOT NULL,
    from_block INTEGER NOT NULL,
    state TEXT NOT NULL,
    refunded TEXT,
    reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX unsettled_attempts ON attempts (chunk) WHERE refunded IS NULL
"""

SCHEMA = SqliteSchema(
    what="batch journal",
    advice="free it or restore it",
    error=BatchError,
    # Version 1 was never released.
    versions={2: _FIRST},
)
"""What `SqliteFile` needs to know of a batch's journal."""
