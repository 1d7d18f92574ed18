"""The tables' version: migrations are part of the package and run at start."""

from __future__ import annotations

import importlib
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, text

from gateway.database.base import Base
from gateway.database.engine import Database
from protocol.errors import DatabaseOutdated

__all__ = ["MODEL_MODULES", "migrate", "require_current", "schema_metadata"]

MODEL_MODULES = (
    "gateway.accounts.tables",
    "gateway.batches.tables",
    "gateway.database.leases",
    "gateway.indexer.models",
    "gateway.jobs.tables",
)
"""Modules that declare tables."""

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any number, as long as every replica takes the same one.
_ADVISORY_LOCK = 7_318_005_220


def schema_metadata() -> MetaData:
    """All tables as the models declare them."""
    for name in MODEL_MODULES:
        importlib.import_module(name)
    return Base.metadata


def migrate(database: Database) -> tuple[str | None, str]:
    """Bring the tables to this version's form, in one transaction.

    Replicas that start together do it one after the other.

    Returns:
        The version before, None for an empty database, and the version now.

    Raises:
        DatabaseOutdated: The database is of a newer version than this program.
        DatabaseUnavailable: It is down or locked.
        DatabaseError: It refuses.
    """
    config = _config()
    script = ScriptDirectory.from_config(config)
    with database.writing() as session:
        connection = session.connection()
        if not database.is_sqlite:
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}
            )
        before = MigrationContext.configure(connection).get_current_revision()
        _refuse_newer(script, before)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, str(script.get_current_head())


def require_current(database: Database) -> None:
    """Refuse to work on tables of another version.

    Raises:
        DatabaseOutdated: The tables are older, newer or missing.
        DatabaseUnavailable: The database is down or locked.
    """
    script = ScriptDirectory.from_config(_config())
    with database.reading() as session:
        context = MigrationContext.configure(session.connection())
        current = context.get_current_revision()
    _refuse_newer(script, current)
    if current != script.get_current_head():
        raise DatabaseOutdated(
            f"the database is at version {current or 'none'}, this program needs "
            f"{script.get_current_head()}: run `assay gateway migrate`"
        )


def _refuse_newer(script: ScriptDirectory, current: str | None) -> None:
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise DatabaseOutdated(
            f"the database is at version {current}, which this program does not know: "
            "install the newer program, or use another database"
        )


def _config() -> Config:
    config = Config()
    # Alembic reads a percent sign as the start of a variable.
    location = str(_MIGRATIONS).replace("%", "%%")
    config.set_main_option("script_location", location)
    config.set_main_option("path_separator", "os")
    return config
