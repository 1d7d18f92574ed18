"""The SQLite file of one batch: tables, versions, transactions, and what goes wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from eth_abi.exceptions import DecodingError

from protocol.errors import BatchError

__all__ = ["SCHEMA_VERSION", "Database"]

# Each entry leads from the version that is its index to the next one. Amounts are text:
# they go to 2**96, SQLite's integers to 2**63.
_MIGRATIONS = (
    """
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
    """,
)
SCHEMA_VERSION = len(_MIGRATIONS)
"""Version of the tables that this program writes."""

_BUSY_SECONDS = 5.0


class Database:
    """An open file. Every method raises `BatchError` when SQLite refuses."""

    def __init__(self, path: Path) -> None:
        """Open a file, creating it where it is missing; its tables come later.

        Raises:
            BatchError: It cannot be opened, or is no database.
        """
        self.path = path
        try:
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None
            )
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        try:
            self.run("PRAGMA journal_mode = WAL")
            self.run("PRAGMA synchronous = FULL")
        except BatchError:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        """Close it on the way out."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def is_empty(self) -> bool:
        """Whether no tables were ever written."""
        return self._version() == 0

    def migrate(self) -> None:
        """Brings the tables to the present version, all the way or not at all.

        Raises:
            BatchError: A later program wrote them.
        """
        if self._version() == SCHEMA_VERSION:
            return
        if self._version() > SCHEMA_VERSION:
            raise BatchError(
                f"batch journal {self.path} has version {self._version()}, this "
                f"program writes {SCHEMA_VERSION}: use the program that wrote it"
            )
        with self.transaction():
            for script in _MIGRATIONS[self._version() :]:
                for statement in script.split(";\n"):
                    self.run(statement)
            self.run(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def discard(self) -> None:
        """Closes and removes the file."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing. Inside another it adds nothing."""
        if self._connection.in_transaction:
            yield
            return
        self.run("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def run(self, statement: str, *arguments: object) -> int:
        """Executes a statement; returns how many rows it changed."""
        with self.reported():
            return self._connection.execute(statement, arguments).rowcount

    def rows(self, query: str, *arguments: object) -> Iterator[tuple[Any, ...]]:
        """A query's rows, one by one."""
        with self.reported():
            yield from self._connection.execute(query, arguments)

    def row(self, query: str, *arguments: object) -> tuple[Any, ...] | None:
        """A query's first row."""
        with self.reported():
            found: tuple[Any, ...] | None = self._connection.execute(
                query, arguments
            ).fetchone()
            return found

    def about(self, name: str) -> str:
        """A fact about the batch."""
        row = self.row("SELECT value FROM about WHERE name = ?", name)
        if row is None:
            raise BatchError(f"batch journal {self.path} lacks {name}: it is damaged")
        return str(row[0])

    def set_about(self, facts: Mapping[str, str]) -> None:
        """Notes facts about the batch."""
        for name, value in facts.items():
            self.run(
                "INSERT INTO about (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                name,
                value,
            )

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Says which file it is that cannot be read or written."""
        try:
            yield
        except sqlite3.Error as error:
            raise _unusable(self.path, error) from error

    @contextmanager
    def decoded(self) -> Iterator[None]:
        """Says which file it is that holds what was never written into it."""
        try:
            yield
        except (ValueError, KeyError, TypeError, DecodingError) as error:
            raise _unusable(self.path, error) from error

    def _version(self) -> int:
        row = self.row("PRAGMA user_version")
        return 0 if row is None else int(row[0])


def _unusable(path: Path, error: Exception) -> BatchError:
    return BatchError(
        f"batch journal {path} cannot be used ({error}): another process may hold it, "
        "or it is damaged; nothing was changed in it"
    )
