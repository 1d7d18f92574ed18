"""API keys, calls, the jobs that they become, files and batches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.database.base import Amount, Bytes32, Count

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.Float(53)
_ID = sa.String(40)


def upgrade() -> None:
    """Make the tables."""
    _make_keys()
    _make_jobs()
    _make_files()
    _make_calls()


def downgrade() -> None:
    """Drop them."""
    for table in ("calls", "batches", "files", "gateway_jobs", "api_keys"):
        op.drop_table(table)


def _make_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", Count, nullable=False),
        sa.Column("revoked_at", Count),
        sa.Column("budget", Amount()),
        sa.Column("spent", Amount(), nullable=False),
        sa.Column("reserved", Amount(), nullable=False),
        sa.Column("calls_per_minute", Count, nullable=False),
        sa.Column("rate_level", _TIME, nullable=False),
        sa.Column("rate_at", _TIME, nullable=False),
        sa.UniqueConstraint("key_hash"),
    )


def _make_jobs() -> None:
    op.create_table(
        "gateway_jobs",
        sa.Column("job_id", Bytes32, primary_key=True),
        sa.Column("params", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("held_until", _TIME, nullable=False),
        sa.Column("posted_block", Count),
        sa.Column("escrowed", Amount(), nullable=False),
        sa.Column("cost", Amount()),
        sa.Column("absorbed", Amount()),
        sa.Column("gas_used", Count),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    op.create_index(None, "gateway_jobs", ["stage", "holder"])


def _make_files() -> None:
    op.create_table(
        "files",
        sa.Column("file_id", _ID, primary_key=True),
        sa.Column("key_id", sa.String(32), _key(), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("size", Count, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", Count, nullable=False),
    )
    op.create_index(None, "files", ["key_id"])
    op.create_table(
        "batches",
        sa.Column("batch_id", _ID, primary_key=True),
        sa.Column("key_id", sa.String(32), _key(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("endpoint", sa.String(32), nullable=False),
        sa.Column("input_file_id", _ID, nullable=False),
        sa.Column("output_file_id", _ID),
        sa.Column("error_file_id", _ID),
        sa.Column("notes", sa.Text),
        sa.Column("errors", sa.Text),
        sa.Column("completion_window", sa.String(16), nullable=False),
        sa.Column("line_count", Count, nullable=False),
        sa.Column("created_at", Count, nullable=False),
        sa.Column("in_progress_at", Count),
        sa.Column("finalizing_at", Count),
        sa.Column("completed_at", Count),
        sa.Column("failed_at", Count),
        sa.Column("cancelling_at", Count),
        sa.Column("cancelled_at", Count),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("expired_at", Count),
    )
    op.create_index(None, "batches", ["key_id"])
    op.create_index(None, "batches", ["status"])


def _make_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", _ID, primary_key=True),
        sa.Column("key_id", sa.String(32), _key(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("replica", sa.String(64), nullable=False),
        sa.Column("endpoint", sa.String(32), nullable=False),
        sa.Column("body", sa.Text),
        sa.Column("prompts", sa.Text),
        sa.Column("terms", sa.Text),
        sa.Column("form", sa.Text),
        sa.Column("prompt_count", Count, nullable=False),
        sa.Column("max_tokens", Count, nullable=False),
        sa.Column("prompt_tokens", Count, nullable=False),
        sa.Column("reserved", Amount(), nullable=False),
        sa.Column("charge", Amount()),
        sa.Column("job_id", Bytes32, sa.ForeignKey("gateway_jobs.job_id")),
        sa.Column("first_output", Count),
        sa.Column("outputs", sa.Text),
        sa.Column("new_tokens", Count),
        sa.Column("fault", sa.Text),
        sa.Column("idempotency_key", sa.String(128)),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("batch_id", _ID, sa.ForeignKey("batches.batch_id")),
        sa.Column("line", Count),
        sa.Column("custom_id", sa.Text),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    for columns in (["key_id"], ["job_id"], ["batch_id"], ["state", "replica"]):
        op.create_index(None, "calls", columns)
    # Two calls without an idempotency key do not clash: null equals nothing.
    op.create_index(None, "calls", ["key_id", "idempotency_key"], unique=True)


def _key() -> sa.ForeignKey:
    return sa.ForeignKey("api_keys.key_id")
