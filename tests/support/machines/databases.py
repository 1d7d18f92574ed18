"""The gateway's database on both kinds of real servers, empty for each test.

A `conftest.py` that wants them imports the fixtures by name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from gateway.database.engine import Database, create_database
from gateway.database.schema import migrate
from tests.support.machines.postgres import PostgresServer

__all__ = [
    "KINDS",
    "database",
    "database_url",
    "fresh_url",
    "migrated_sqlite",
    "open_quick",
    "postgres",
]

KINDS = ("sqlite", "postgresql")

_TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests, with a migrated template."""
    with PostgresServer() as server:
        server.execute(f"CREATE DATABASE {_TEMPLATE}")
        with create_database(server.url(_TEMPLATE)) as database:
            migrate(database)
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "gateway.sqlite"
    with create_database(f"sqlite:///{path}") as database:
        migrate(database)
    return path


@contextmanager
def fresh_url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """URL of an empty database with all tables, of the kind `request.param`.

    A fixture of any scope can use it; a folder holds one SQLite database.
    """
    if request.param == "sqlite":
        path = folder / "gateway.sqlite"
        shutil.copyfile(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database(_TEMPLATE) as url:
        yield url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database with all tables, on each kind of server in turn."""
    with fresh_url(request, tmp_path) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The database behind `database_url`."""
    with open_quick(database_url) as opened:
        yield opened


def open_quick(url: str) -> Database:
    """A database that does not wait for the disk: a test's need not outlive us."""
    opened = create_database(url)
    if opened.is_sqlite:
        event.listen(
            opened.engine,
            "connect",
            lambda connection, _: connection.execute("PRAGMA synchronous = OFF"),
        )
    return opened
