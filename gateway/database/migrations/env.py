"""What Alembic runs around the migrations: they use the caller's transaction."""

from __future__ import annotations

from alembic import context

# The caller's transaction holds the changes of tables on both databases.
context.configure(
    connection=context.config.attributes["connection"], transactional_ddl=True
)
context.run_migrations()
