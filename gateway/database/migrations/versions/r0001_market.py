"""Leases, and the index of the market's events."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway.database.base import Address, Amount, Bytes32, Count

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    "leases",
    "market_blocks",
    "market_events",
    "market_hours",
    "market_index",
    "market_jobs",
    "market_members",
    "market_models",
    "market_participants",
    "market_rounds",
    "market_seats",
    "market_transactions",
)


def upgrade() -> None:
    """Make the tables."""
    _make_leases()
    _make_blocks()
    _make_events()
    _make_hours()
    _make_index()
    _make_jobs()
    _make_members()
    _make_models()
    _make_participants()
    _make_rounds()
    _make_seats()
    _make_transactions()


def downgrade() -> None:
    """Drop them."""
    for name in reversed(_TABLES):
        op.drop_table(name)


def _make_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _make_blocks() -> None:
    op.create_table(
        "market_blocks",
        sa.Column("number", Count, nullable=False, autoincrement=False),
        sa.Column("hash", Bytes32, nullable=False),
        sa.Column("at", Count, nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_market_blocks"),
    )


def _make_events() -> None:
    op.create_table(
        "market_events",
        sa.Column("block_number", Count, nullable=False, autoincrement=False),
        sa.Column("log_index", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("block_hash", Bytes32, nullable=False),
        sa.Column("at", Count, nullable=False),
        sa.Column("tx_hash", Bytes32, nullable=False),
        sa.Column("address", Address, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("job_id", Bytes32, nullable=True),
        sa.Column("account", Address, nullable=True),
        sa.Column("seat_id", sa.Integer(), nullable=True),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("block_number", "log_index", name="pk_market_events"),
    )
    op.create_index(
        "ix_market_events_account_block_number_log_index",
        "market_events",
        ["account", "block_number", "log_index"],
    )
    op.create_index(
        "ix_market_events_job_id_block_number_log_index",
        "market_events",
        ["job_id", "block_number", "log_index"],
    )
    op.create_index("ix_market_events_seat_id", "market_events", ["seat_id"])
    op.create_index("ix_market_events_tx_hash", "market_events", ["tx_hash"])


def _make_hours() -> None:
    op.create_table(
        "market_hours",
        sa.Column("hour_at", Count, nullable=False, autoincrement=False),
        sa.Column("model_id", Bytes32, nullable=False),
        sa.Column("posted", Count, nullable=False),
        sa.Column("escrowed", Amount(), nullable=False),
        sa.Column("accepted", Count, nullable=False),
        sa.Column("failed", Count, nullable=False),
        sa.Column("cancelled", Count, nullable=False),
        sa.Column("prompts", Count, nullable=False),
        sa.Column("tokens", Count, nullable=False),
        sa.Column("seconds", Count, nullable=False),
        sa.Column("paid", Amount(), nullable=False),
        sa.Column("refunded", Amount(), nullable=False),
        sa.Column("fee", Amount(), nullable=False),
        sa.Column("slashed", Amount(), nullable=False),
        sa.PrimaryKeyConstraint("hour_at", "model_id", name="pk_market_hours"),
    )


def _make_index() -> None:
    op.create_table(
        "market_index",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("chain_id", Count, nullable=False),
        sa.Column("marketplace", Address, nullable=False),
        sa.Column("start_block", Count, nullable=False),
        sa.Column("seat_bond", Amount(), nullable=False),
        sa.Column("version", Count, nullable=False),
        sa.Column("head_number", Count, nullable=False),
        sa.Column("head_at", Count, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_market_index"),
    )


def _make_jobs() -> None:
    op.create_table(
        "market_jobs",
        *_terms_of_a_job(),
        *_progress_of_a_job(),
        sa.PrimaryKeyConstraint("job_id", name="pk_market_jobs"),
    )
    op.create_index("ix_market_jobs_ended_at", "market_jobs", ["ended_at"])
    op.create_index(
        "ix_market_jobs_model_id_posted_block_posted_index",
        "market_jobs",
        ["model_id", "posted_block", "posted_index"],
    )
    op.create_index("ix_market_jobs_posted_at", "market_jobs", ["posted_at"])
    op.create_index(
        "ix_market_jobs_posted_block_posted_index",
        "market_jobs",
        ["posted_block", "posted_index"],
    )
    op.create_index(
        "ix_market_jobs_requester_posted_block_posted_index",
        "market_jobs",
        ["requester", "posted_block", "posted_index"],
    )
    op.create_index(
        "ix_market_jobs_state_posted_block_posted_index",
        "market_jobs",
        ["state", "posted_block", "posted_index"],
    )


def _terms_of_a_job() -> list[sa.Column[Any]]:
    return [
        sa.Column("job_id", Bytes32, nullable=False),
        sa.Column("posted_block", Count, nullable=False),
        sa.Column("posted_index", sa.Integer(), nullable=False),
        sa.Column("posted_at", Count, nullable=False),
        sa.Column("posted_tx", Bytes32, nullable=False),
        sa.Column("requester", Address, nullable=False),
        sa.Column("nonce", Amount(), nullable=False),
        sa.Column("model_id", Bytes32, nullable=False),
        sa.Column("tick", sa.Integer(), nullable=False),
        sa.Column("prompts_digest", Bytes32, nullable=False),
        sa.Column("prompt_count", Count, nullable=False),
        sa.Column("max_tokens", Count, nullable=False),
        sa.Column("redundancy", sa.Integer(), nullable=False),
        sa.Column("max_rounds", sa.Integer(), nullable=False),
        sa.Column("min_seats", Count, nullable=False),
        sa.Column("callback", Address, nullable=True),
        sa.Column("callback_gas_limit", Count, nullable=False),
        sa.Column("escrowed", Amount(), nullable=False),
    ]


def _progress_of_a_job() -> list[sa.Column[Any]]:
    return [
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("round_number", sa.Integer(), nullable=False),
        sa.Column("deadline_at", Count, nullable=True),
        sa.Column("expiry_block", Count, nullable=True),
        sa.Column("accepted_at", Count, nullable=True),
        sa.Column("ended_block", Count, nullable=True),
        sa.Column("ended_at", Count, nullable=True),
        sa.Column("paid", Amount(), nullable=True),
        sa.Column("refunded", Amount(), nullable=True),
        sa.Column("fee", Amount(), nullable=True),
        sa.Column("transcript", Bytes32, nullable=True),
        sa.Column("outcome_status", sa.Integer(), nullable=True),
        sa.Column("token_count", Count, nullable=True),
        sa.Column("results_root", Bytes32, nullable=True),
        sa.Column("results_digest", Bytes32, nullable=True),
        sa.Column("delivered_at", Count, nullable=True),
        sa.Column("is_delivered", sa.Boolean(), nullable=True),
    ]


def _make_members() -> None:
    op.create_table(
        "market_members",
        sa.Column("job_id", Bytes32, nullable=False),
        sa.Column("round_number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("place", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("seat_id", sa.Integer(), nullable=False),
        sa.Column("worker", Address, nullable=True),
        sa.Column("drawn_block", Count, nullable=False),
        sa.Column("drawn_at", Count, nullable=False),
        sa.Column("commitment", Bytes32, nullable=True),
        sa.Column("committed_at", Count, nullable=True),
        sa.Column("committed_tx", Bytes32, nullable=True),
        sa.Column("answer", Bytes32, nullable=True),
        sa.Column("outcome_status", sa.Integer(), nullable=True),
        sa.Column("token_count", Count, nullable=True),
        sa.Column("results_root", Bytes32, nullable=True),
        sa.Column("results_digest", Bytes32, nullable=True),
        sa.Column("revealed_at", Count, nullable=True),
        sa.Column("revealed_tx", Bytes32, nullable=True),
        sa.Column("verdict", sa.String(32), nullable=False),
        sa.Column("earned", Amount(), nullable=False),
        sa.Column("slashed", Amount(), nullable=False),
        sa.PrimaryKeyConstraint(
            "job_id", "round_number", "place", name="pk_market_members"
        ),
    )
    op.create_index(
        "ix_market_members_worker_drawn_block_job_id",
        "market_members",
        ["worker", "drawn_block", "job_id"],
    )


def _make_models() -> None:
    op.create_table(
        "market_models",
        sa.Column("model_id", Bytes32, nullable=False),
        sa.Column("registered_block", Count, nullable=False),
        sa.Column("registered_index", sa.Integer(), nullable=False),
        sa.Column("registered_at", Count, nullable=False),
        sa.Column("registrant", Address, nullable=False),
        sa.Column("package_digest", Bytes32, nullable=False),
        sa.Column("weights_root", Bytes32, nullable=False),
        sa.Column("profile", Bytes32, nullable=False),
        sa.Column("vocab_size", Count, nullable=False),
        sa.Column("context_length", Count, nullable=False),
        sa.Column("ms_per_token", Count, nullable=False),
        sa.Column("base_price", Amount(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", name="pk_market_models"),
    )


def _make_participants() -> None:
    op.create_table(
        "market_participants",
        sa.Column("address", Address, nullable=False),
        sa.Column("jobs_posted", Count, nullable=False),
        sa.Column("jobs_accepted", Count, nullable=False),
        sa.Column("escrowed", Amount(), nullable=False),
        sa.Column("refunded", Amount(), nullable=False),
        sa.Column("places", Count, nullable=False),
        sa.Column("committed", Count, nullable=False),
        sa.Column("revealed", Count, nullable=False),
        sa.Column("completed", Count, nullable=False),
        sa.Column("missed", Count, nullable=False),
        sa.Column("slashed_count", Count, nullable=False),
        sa.Column("slashed", Amount(), nullable=False),
        sa.Column("tokens", Count, nullable=False),
        sa.Column("earned", Amount(), nullable=False),
        sa.Column("bounties", Amount(), nullable=False),
        sa.Column("deposited", Amount(), nullable=False),
        sa.Column("withdrawn", Amount(), nullable=False),
        sa.Column("seats_opened", Count, nullable=False),
        sa.Column("seats_open", Count, nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_market_participants"),
    )
    op.create_index(
        "ix_market_participants_seats_opened", "market_participants", ["seats_opened"]
    )


def _make_rounds() -> None:
    op.create_table(
        "market_rounds",
        sa.Column("job_id", Bytes32, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("armed_at", Count, nullable=True),
        sa.Column("seed_block", Count, nullable=True),
        sa.Column("expiry_block", Count, nullable=True),
        sa.Column("seed", Bytes32, nullable=True),
        sa.Column("drawn_at", Count, nullable=True),
        sa.Column("commit_deadline", Count, nullable=True),
        sa.Column("reveal_deadline", Count, nullable=True),
        sa.Column("split_at", Count, nullable=True),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_market_rounds"),
    )


def _make_seats() -> None:
    op.create_table(
        "market_seats",
        sa.Column("seat_id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("opened_block", Count, nullable=False, autoincrement=False),
        sa.Column("opened_index", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("owner", Address, nullable=False),
        sa.Column("model_id", Bytes32, nullable=False),
        sa.Column("tick", sa.Integer(), nullable=False),
        sa.Column("opened_at", Count, nullable=False),
        sa.Column("closing_at", Count, nullable=True),
        sa.Column("closed_at", Count, nullable=True),
        sa.Column("returned", Amount(), nullable=True),
        sa.Column("slashed", Amount(), nullable=True),
        sa.Column("slash_reason", sa.Integer(), nullable=True),
        sa.Column("slashed_job", Bytes32, nullable=True),
        sa.PrimaryKeyConstraint(
            "seat_id", "opened_block", "opened_index", name="pk_market_seats"
        ),
    )
    op.create_index(
        "ix_market_seats_model_id_closed_at", "market_seats", ["model_id", "closed_at"]
    )
    op.create_index("ix_market_seats_owner", "market_seats", ["owner"])


def _make_transactions() -> None:
    op.create_table(
        "market_transactions",
        sa.Column("tx_hash", Bytes32, nullable=False),
        sa.Column("block_number", Count, nullable=False),
        sa.Column("block_hash", Bytes32, nullable=False),
        sa.Column("at", Count, nullable=False),
        sa.Column("job_count", sa.Integer(), nullable=False),
        sa.Column("gas_used", Count, nullable=True),
        sa.Column("gas_price", Amount(), nullable=True),
        sa.PrimaryKeyConstraint("tx_hash", name="pk_market_transactions"),
    )
    op.create_index("ix_market_transactions_at", "market_transactions", ["at"])
    op.create_index(
        "ix_market_transactions_block_number", "market_transactions", ["block_number"]
    )
    op.create_index(
        "ix_market_transactions_gas_used", "market_transactions", ["gas_used"]
    )
