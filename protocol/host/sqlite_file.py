"""SQLite files: private, whole after a crash, clear about what is wrong with them."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from eth_abi.exceptions import DecodingError

from protocol.errors import MarketError

__all__ = ["SqliteFile", "SqliteSchema"]

_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSchema:
    """What a program keeps in its files of one kind.

    Attributes:
        what: What a message calls the file.
        advice: What a message says to do about one that cannot be used.
        error: What is raised then.
        versions: Statements that make each version of the tables out of the one
            before it. Facts about a file, its owner among them, are kept in a table
            ``about`` of names and values.
        busy_seconds: How long to wait for another process to let go of the file.
        is_durable: Whether even a power cut takes nothing that was written.
        is_checked: Whether the whole file is checked for damage when it is opened.
    """

    what: str
    advice: str
    error: type[MarketError]
    versions: Mapping[int, str]
    busy_seconds: float = 5.0
    is_durable: bool = True
    is_checked: bool = False

    @property
    def version(self) -> int:
        """The version that this program writes."""
        return max(self.versions)


class SqliteFile:
    """An open file, which several threads and processes can share.

    Every method raises the schema's error when SQLite refuses.

    Attributes:
        path: The file; `:memory:` where there is none.
    """

    def __init__(
        self,
        path: Path | None,
        schema: SqliteSchema,
        *,
        is_new: bool = False,
        is_read_only: bool = False,
    ) -> None:
        """Open a file, making it where it is missing; `migrate` makes its tables.

        Args:
            path: The file; its folder is made if it is missing. None keeps everything
                in memory, for this object alone.
            schema: What it holds.
            is_new: Whether to refuse a file that is there.
            is_read_only: Whether to look only at what another process may be writing;
                nothing is made or checked then.

        Raises:
            MarketError: The schema's error: it cannot be written, is locked, damaged,
                of a later version or another program's. It is left as it is.
        """
        self.path = Path(":memory:") if path is None else path
        self._schema = schema
        self._lock = threading.RLock()
        uri = "file::memory:"
        if path is not None:
            if not is_read_only:
                self._make(is_new)
            uri = f"{path.resolve().as_uri()}?mode={'ro' if is_read_only else 'rw'}"
        with self._faults():
            self._connection = sqlite3.connect(
                uri,
                uri=True,
                timeout=schema.busy_seconds,
                isolation_level=None,
                check_same_thread=False,
            )
        self.close = weakref.finalize(self, self._connection.close)
        if not is_read_only:
            self._prepare()

    def __enter__(self) -> Self:
        """Close it on the way out."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def version(self) -> int:
        """Version of the tables; 0 if none were ever written."""
        return int(self.rows("PRAGMA user_version")[0][0])

    def migrate(self, owner: Mapping[str, str] | None = None) -> None:
        """Bring the tables to the present version, all the way or not at all.

        Args:
            owner: Facts that say whose it is: noted in a new file, compared in another.

        Raises:
            MarketError: The schema's error: it belongs to others.
        """
        version = self.version
        if version:
            self._require_owner(owner or {})
        if version < self._schema.version:
            with self.transaction():
                # Another process may have made them meanwhile.
                version = self.version
                for target, statements in self._schema.versions.items():
                    if target > version:
                        for statement in statements.split(";\n"):
                            self.run(statement)
                        self.run(f"PRAGMA user_version = {target}")
                if not version:
                    self.set_about(owner or {})

    def discard(self) -> None:
        """Close and remove the file."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing. Inside another it adds nothing."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.run("BEGIN IMMEDIATE")
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                # A full disk has rolled it back already.
                if self._connection.in_transaction:
                    self.run("ROLLBACK")
                raise

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Execute a statement; returns how many rows it changed."""
        with self._lock, self._faults():
            return self._connection.execute(statement, values).rowcount

    def rows(self, query: str, values: Sequence[object] = ()) -> list[_Row]:
        """All rows of a query."""
        with self._lock, self._faults():
            return self._connection.execute(query, values).fetchall()

    def stream(
        self, query: str, values: Sequence[object] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """A query's rows, one by one, where there may be more than fit in memory."""
        with self._faults():
            yield from self._connection.execute(query, values)

    def about(self, name: str) -> str:
        """A fact about the file."""
        for (value,) in self.rows("SELECT value FROM about WHERE name = ?", [name]):
            return str(value)
        raise self.unusable(f"it lacks {name}")

    def set_about(self, facts: Mapping[str, str]) -> None:
        """Note facts about the file."""
        for fact in facts.items():
            self.run(
                "INSERT INTO about (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                fact,
            )

    @contextmanager
    def decoded(self) -> Iterator[None]:
        """Say which file it is that holds what was never written into it."""
        try:
            yield
        except (ValueError, KeyError, TypeError, DecodingError) as error:
            raise self.unusable(error) from error

    def unusable(self, reason: object) -> MarketError:
        """The schema's error, which says what to do about the file."""
        return self._schema.error(
            f"{self._schema.what} {self.path} cannot be used ({reason}): another "
            "process may hold it, the disk may be full, or it is damaged; nothing was "
            f"changed in it: {self._schema.advice}"
        )

    def _make(self, is_new: bool) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Nobody else's business; its companions get the same mode.
            flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if is_new else 0)
            os.close(os.open(self.path, flags, 0o600))
        except OSError as error:
            raise self._schema.error(
                f"{self._schema.what} {self.path} cannot be written: {error.strerror}; "
                "set data_dir to a folder that can be"
            ) from error

    def _prepare(self) -> None:
        try:
            self._require_usable()
            self.run("PRAGMA journal_mode = WAL")
            level = "FULL" if self._schema.is_durable else "NORMAL"
            self.run(f"PRAGMA synchronous = {level}")
        except BaseException:
            self.close()
            raise

    def _require_usable(self) -> None:
        version, tables = self.rows(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) "
            "FROM pragma_user_version"
        )[0]
        if version > self._schema.version:
            raise self._schema.error(
                f"{self._schema.what} {self.path} has version {version}, this program "
                f"writes {self._schema.version}: use the program that wrote it"
            )
        if 0 < version < min(self._schema.versions):
            raise self._schema.error(
                f"{self._schema.what} {self.path} has version {version}, from before "
                "the first release, which nothing reads any more: move it away"
            )
        if self._schema.is_checked:
            ((found,),) = self.rows("PRAGMA quick_check(1)")
            if found != "ok":
                raise self.unusable(found)
        if tables and not version:
            raise self.unusable("it is another program's database")

    def _require_owner(self, owner: Mapping[str, str]) -> None:
        for name, value in owner.items():
            if (found := self.about(name)) != value:
                raise self._schema.error(
                    f"{self._schema.what} {self.path} belongs to {name} {found}, not "
                    f"{value}: use its deployment and key, or another data_dir"
                )

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self.unusable(error) from error
