"""What Alembic runs around the migrations: they use the caller's transaction."""

from __future__ import annotations

from alembic import context

from gateway.database.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    # For the names of constraints; no table is read from it.
    target_metadata=Base.metadata,
    # The caller's transaction holds the changes of tables on both databases.
    transactional_ddl=True,
)
context.run_migrations()
