"""The gateway's database: one connection setup for SQLite and PostgreSQL."""
