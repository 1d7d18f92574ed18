"""Connections, transactions, and what a failing database means to a caller."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from gateway.database.sums import register_exact_sum
from protocol.errors import ConfigError, DatabaseError, DatabaseUnavailable

__all__ = ["Database", "create_database"]

DEFAULT_WAIT_SECONDS = 10.0
_POOL_SIZE = 16
_RETRY_SECONDS = 0.05
_BEGIN = "assay_sqlite_begin"
_SQLITE = "sqlite"
_POSTGRESQL = "postgresql"
# Serialization failure, deadlock, lock, a transaction that stood still; classes:
# connection, resources, operator.
_PASSING = re.compile(r"^(40001|40P01|55P03|25P03|08...|53...|57...)$")

Result = TypeVar("Result")


class Database:
    """One database, used by many threads.

    Every session is one transaction: whole or not at all. A failure of the database is
    `DatabaseUnavailable` when trying again later can help and `DatabaseError` when not;
    errors that mean a broken rule (`sqlalchemy.exc.IntegrityError`) come as they are.
    """

    def __init__(self, engine: Engine, *, wait_seconds: float) -> None:
        """Take over an engine that `create_database` made."""
        self._engine = engine
        self._wait_seconds = wait_seconds
        is_sqlite = engine.dialect.name == _SQLITE
        self._turn = threading.Lock() if is_sqlite else None
        options: dict[str, Any] = {} if is_sqlite else _READ_OPTIONS
        self._reading = engine.execution_options(**options)
        # Taking the write lock at once leaves no moment in which a transaction that
        # has read finds the database changed.
        self._writing = engine.execution_options(**{_BEGIN: "IMMEDIATE"})

    @property
    def engine(self) -> Engine:
        """The engine, for migrations and tests."""
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        """Whether this is a file that one machine holds."""
        return self._engine.dialect.name == _SQLITE

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session in which all queries see the same moment; writes are undone.

        Raises:
            DatabaseUnavailable: The database is down, locked or full of connections.
            DatabaseError: It refuses.
        """
        with _explained(self._engine.url), Session(self._reading) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is committed at the end, and undone when it raises.

        Raises:
            DatabaseUnavailable: The database is down, locked or full of connections;
                after a connection that broke while committing it is unknown whether the
                transaction took place.
            DatabaseError: It refuses.
        """
        with (
            self._in_turn(),
            _explained(self._engine.url),
            Session(self._writing, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Lets the threads of this process write to SQLite one after the other.

        Its own way of waiting is to sleep ever longer and to try again, in which a
        hundred callers starve each other.
        """
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=self._wait_seconds):
            raise DatabaseUnavailable(
                "the database is busy with other calls; try again"
            )
        try:
            yield
        finally:
            self._turn.release()

    def write(self, work: Callable[[Session], Result]) -> Result:
        """Run a transaction, again while the database is passingly unavailable.

        Args:
            work: What to do; it must bear being run again from the start, even when an
                earlier run was committed and only the answer was lost.

        Raises:
            DatabaseUnavailable: Still so after the time that `create_database` set.
            DatabaseError: It refuses.
        """
        end = time.monotonic() + self._wait_seconds
        while True:
            try:
                with self.writing() as session:
                    return work(session)
            except DatabaseUnavailable:
                if time.monotonic() >= end:
                    raise
                time.sleep(_RETRY_SECONDS)

    def check(self) -> None:
        """Ask the database for anything at all.

        Raises:
            DatabaseUnavailable: It does not answer.
        """
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close all connections that are idle."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """The database itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


_READ_OPTIONS: dict[str, Any] = {
    "isolation_level": "REPEATABLE READ",
    "postgresql_readonly": True,
}


def create_database(
    url: str, *, wait_seconds: float = DEFAULT_WAIT_SECONDS
) -> Database:
    """Prepare a database for use; nothing is opened yet, and no table made.

    Args:
        url: `sqlite:///FILE` or `postgresql+psycopg://…`; `postgresql://` means the
            same.
        wait_seconds: How long to wait for a lock or a connection.

    Raises:
        ConfigError: The URL makes no sense, or names a database in memory.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == _SQLITE:
        engine = _create_sqlite(parsed, wait_seconds)
    else:
        engine = _create_postgresql(parsed, wait_seconds)
    return Database(engine, wait_seconds=wait_seconds)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(
            "the database URL is malformed; give sqlite:///FILE or "
            "postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        ) from error
    backend = parsed.get_backend_name()
    if backend == _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if backend != _SQLITE:
        raise ConfigError(
            f"databases of the kind {backend!r} are not supported; give sqlite:///FILE "
            "or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        )
    if parsed.database in (None, "", ":memory:"):
        raise ConfigError(
            "a database in memory would forget every account; give sqlite:///FILE"
        )
    return parsed


def _create_sqlite(url: URL, wait_seconds: float) -> Engine:
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        connect_args={"timeout": wait_seconds},
        pool_size=_POOL_SIZE,
        pool_timeout=wait_seconds,
    )
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver would begin transactions late and commit them early; we say BEGIN.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    register_exact_sum(connection)


def _begin_sqlite(connection: Connection) -> None:
    kind = connection.get_execution_options().get(_BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")


def _create_postgresql(url: URL, wait_seconds: float) -> Engine:
    milliseconds = int(wait_seconds * 1_000)
    # Of a replica that freezes within a transaction, the others would wait for the rows
    # for as long as it is frozen.
    limits = {
        "lock_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
    }
    return create_engine(
        url,
        connect_args={
            "connect_timeout": max(2, int(wait_seconds)),
            "options": " ".join(f"-c {key}={value}" for key, value in limits.items()),
        },
        pool_size=_POOL_SIZE,
        pool_timeout=wait_seconds,
        # Connections of before a restart of the server are replaced unnoticed.
        pool_pre_ping=True,
    )


@contextmanager
def _explained(url: URL) -> Iterator[None]:
    """Turns the driver's errors into ours, without the statement and its values."""
    shown = url.render_as_string(hide_password=True)
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable(
            f"all connections to the database {shown} are busy; try again"
        ) from error
    except DBAPIError as error:
        if _is_broken_rule(error):
            raise
        reason = str(error.orig).strip()
        if _is_passing(error):
            raise DatabaseUnavailable(
                f"the database {shown} does not answer: {reason}; try again"
            ) from error
        raise DatabaseError(f"the database {shown} refuses: {reason}") from error


def _is_broken_rule(error: DBAPIError) -> bool:
    return type(error).__name__ == "IntegrityError"


def _is_passing(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return _PASSING.match(state) is not None
    if isinstance(error.orig, sqlite3.Error):
        name = getattr(error.orig, "sqlite_errorname", "")
        return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN"))
    # A connection that could not be made has no state.
    return type(error).__name__ == "OperationalError"
