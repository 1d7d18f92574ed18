"""Alembic's folder: `versions` holds one module for each change of the tables.

`gateway.database.schema.migrate` runs them. A new one is written by hand: its
`revision` is the next number, its `down_revision` the last one; a test compares the
tables that all of them make with the models.
"""
