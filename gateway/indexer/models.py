"""Tables of the index; a column's `doc` is what the reference page says of it.

`market_events` holds what the chain said. Every other table follows from it, and a
rewind of the chain rebuilds the rows that it touches.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from gateway.database.base import Address, Amount, Base, Bytes32, Count

__all__ = [
    "BlockRow",
    "EventRow",
    "HourRow",
    "IndexRow",
    "JobRow",
    "MemberRow",
    "ModelRow",
    "ParticipantRow",
    "RoundRow",
    "SeatRow",
    "TransactionRow",
]

_JOB = "The job."
_NAME = String(32)


class IndexRow(Base):
    """One row: which market is indexed, and how far."""

    __tablename__ = "market_index"

    id: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, doc="Always 1."
    )
    chain_id: Mapped[int] = mapped_column(Count, doc="Chain of the market.")
    marketplace: Mapped[str] = mapped_column(Address, doc="Its contract.")
    start_block: Mapped[int] = mapped_column(Count, doc="First block of interest.")
    seat_bond: Mapped[int] = mapped_column(Amount, doc="Bond of a seat, units.")
    version: Mapped[int] = mapped_column(
        Count, doc="Grows with every change; who writes compares it first."
    )
    head_number: Mapped[int] = mapped_column(
        Count, doc="Last block that is indexed; one before the start at first."
    )
    head_at: Mapped[int] = mapped_column(Count, doc="Its time, Unix seconds.")


class BlockRow(Base):
    """Blocks with events, and the last heads: with them a fork is found."""

    __tablename__ = "market_blocks"

    number: Mapped[int] = mapped_column(
        Count, primary_key=True, autoincrement=False, doc="Height."
    )
    hash: Mapped[bytes] = mapped_column(Bytes32, doc="Hash.")
    at: Mapped[int] = mapped_column(Count, doc="Time, Unix seconds.")
    event_count: Mapped[int] = mapped_column(Integer, doc="Events of ours in it.")


class EventRow(Base):
    """What the chain said, whole and in order."""

    __tablename__ = "market_events"
    __table_args__ = (
        Index(None, "job_id", "block_number", "log_index"),
        Index(None, "account", "block_number", "log_index"),
        Index(None, "seat_id"),
        Index(None, "tx_hash"),
    )

    block_number: Mapped[int] = mapped_column(
        Count, primary_key=True, autoincrement=False, doc="Block."
    )
    log_index: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, doc="Position in the block."
    )
    block_hash: Mapped[bytes] = mapped_column(Bytes32, doc="Hash of the block.")
    at: Mapped[int] = mapped_column(Count, doc="Time of the block, Unix seconds.")
    tx_hash: Mapped[bytes] = mapped_column(Bytes32, doc="Transaction.")
    address: Mapped[str] = mapped_column(Address, doc="Contract that emitted it.")
    kind: Mapped[str] = mapped_column(_NAME, doc="Name of the event.")
    job_id: Mapped[bytes | None] = mapped_column(Bytes32, doc="Job, if it has one.")
    account: Mapped[str | None] = mapped_column(Address, doc="Who acted, if stated.")
    seat_id: Mapped[int | None] = mapped_column(Integer, doc="Seat, if it is of one.")
    fields: Mapped[dict[str, Any]] = mapped_column(
        JSON, doc="Its fields by name; bytes in hexadecimal, enums as numbers."
    )


class JobRow(Base):
    """A job as its events leave it."""

    __tablename__ = "market_jobs"
    __table_args__ = (
        Index(None, "posted_block", "posted_index"),
        Index(None, "state", "posted_block", "posted_index"),
        Index(None, "requester", "posted_block", "posted_index"),
        Index(None, "model_id", "posted_block", "posted_index"),
        Index(None, "posted_at"),
        Index(None, "ended_at"),
    )

    job_id: Mapped[bytes] = mapped_column(Bytes32, primary_key=True, doc=_JOB)
    posted_block: Mapped[int] = mapped_column(Count, doc="Block of the posting.")
    posted_index: Mapped[int] = mapped_column(Integer, doc="Position in that block.")
    posted_at: Mapped[int] = mapped_column(Count, doc="Its time, Unix seconds.")
    posted_tx: Mapped[bytes] = mapped_column(Bytes32, doc="Its transaction.")
    requester: Mapped[str] = mapped_column(Address, doc="Who posted it.")
    nonce: Mapped[int] = mapped_column(Amount, doc="Requester's number for it.")
    model_id: Mapped[bytes] = mapped_column(Bytes32, doc="Model.")
    tick: Mapped[int] = mapped_column(Integer, doc="Price tick, 0 to 7.")
    prompts_digest: Mapped[bytes] = mapped_column(Bytes32, doc="Prompts document.")
    prompt_count: Mapped[int] = mapped_column(Count, doc="Prompts.")
    max_tokens: Mapped[int] = mapped_column(Count, doc="Most tokens paid for.")
    redundancy: Mapped[int] = mapped_column(Integer, doc="Places of the first round.")
    max_rounds: Mapped[int] = mapped_column(Integer, doc="Rounds bought.")
    min_seats: Mapped[int] = mapped_column(Count, doc="Seats asked for in the roster.")
    callback: Mapped[str | None] = mapped_column(Address, doc="Contract to call back.")
    callback_gas_limit: Mapped[int] = mapped_column(Count, doc="Gas for it.")
    escrowed: Mapped[int] = mapped_column(Amount, doc="Units locked.")
    state: Mapped[int] = mapped_column(
        Integer, doc="`JobState` as events tell; a window that ran out emits none."
    )
    round_number: Mapped[int] = mapped_column(Integer, doc="Current or last round.")
    deadline_at: Mapped[int | None] = mapped_column(
        Count, doc="End of the open window, Unix seconds."
    )
    expiry_block: Mapped[int | None] = mapped_column(
        Count, doc="While Open: last block for a draw."
    )
    accepted_at: Mapped[int | None] = mapped_column(Count, doc="Time of the quorum.")
    ended_block: Mapped[int | None] = mapped_column(Count, doc="Block of the end.")
    ended_at: Mapped[int | None] = mapped_column(Count, doc="Time of the end.")
    paid: Mapped[int | None] = mapped_column(Amount, doc="Pay and bounties, units.")
    refunded: Mapped[int | None] = mapped_column(Amount, doc="Back to the requester.")
    fee: Mapped[int | None] = mapped_column(Amount, doc="To the treasury, units.")
    transcript: Mapped[bytes | None] = mapped_column(Bytes32, doc="From the end.")
    outcome_status: Mapped[int | None] = mapped_column(
        Integer, doc="`OutcomeStatus` of the accepted outcome."
    )
    token_count: Mapped[int | None] = mapped_column(Count, doc="Its tokens.")
    results_root: Mapped[bytes | None] = mapped_column(Bytes32, doc="Its output tree.")
    results_digest: Mapped[bytes | None] = mapped_column(Bytes32, doc="Its document.")
    delivered_at: Mapped[int | None] = mapped_column(Count, doc="Time of the call.")
    is_delivered: Mapped[bool | None] = mapped_column(
        Boolean, doc="Whether the callback succeeded."
    )


class RoundRow(Base):
    """A round of a job."""

    __tablename__ = "market_rounds"

    job_id: Mapped[bytes] = mapped_column(Bytes32, primary_key=True, doc=_JOB)
    number: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, doc="Round, from 1."
    )
    armed_at: Mapped[int | None] = mapped_column(Count, doc="Time of the last arming.")
    seed_block: Mapped[int | None] = mapped_column(Count, doc="Block of the seed.")
    expiry_block: Mapped[int | None] = mapped_column(Count, doc="Last for a draw.")
    seed: Mapped[bytes | None] = mapped_column(Bytes32, doc="Seed of the draw.")
    drawn_at: Mapped[int | None] = mapped_column(Count, doc="Time of the draw.")
    commit_deadline: Mapped[int | None] = mapped_column(Count, doc="Unix seconds.")
    reveal_deadline: Mapped[int | None] = mapped_column(
        Count, doc="Unix seconds; stated when all have committed."
    )
    split_at: Mapped[int | None] = mapped_column(
        Count, doc="Time of the end without a quorum, where another round follows."
    )


class MemberRow(Base):
    """A place of a committee, what its holder did, and what it came to."""

    __tablename__ = "market_members"
    __table_args__ = (Index(None, "worker", "drawn_block", "job_id"),)

    job_id: Mapped[bytes] = mapped_column(Bytes32, primary_key=True, doc=_JOB)
    round_number: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, doc="Round."
    )
    place: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, doc="Place, from 0."
    )
    seat_id: Mapped[int] = mapped_column(Integer, doc="Seat; 0 for a vacant place.")
    worker: Mapped[str | None] = mapped_column(Address, doc="Its owner.")
    drawn_block: Mapped[int] = mapped_column(Count, doc="Block of the draw.")
    drawn_at: Mapped[int] = mapped_column(Count, doc="Its time.")
    commitment: Mapped[bytes | None] = mapped_column(Bytes32, doc="Commitment.")
    committed_at: Mapped[int | None] = mapped_column(Count, doc="Its time.")
    committed_tx: Mapped[bytes | None] = mapped_column(Bytes32, doc="Transaction.")
    answer: Mapped[bytes | None] = mapped_column(Bytes32, doc="Answer revealed.")
    outcome_status: Mapped[int | None] = mapped_column(Integer, doc="`OutcomeStatus`.")
    token_count: Mapped[int | None] = mapped_column(Count, doc="Tokens it claims.")
    results_root: Mapped[bytes | None] = mapped_column(Bytes32, doc="Its output tree.")
    results_digest: Mapped[bytes | None] = mapped_column(Bytes32, doc="Its document.")
    revealed_at: Mapped[int | None] = mapped_column(Count, doc="Time of the reveal.")
    revealed_tx: Mapped[bytes | None] = mapped_column(Bytes32, doc="Transaction.")
    verdict: Mapped[str] = mapped_column(_NAME, doc="A `Verdict`.")
    earned: Mapped[int] = mapped_column(Amount, doc="Units paid.")
    slashed: Mapped[int] = mapped_column(Amount, doc="Units of the bond lost.")


class SeatRow(Base):
    """One opening of a seat until its end; ids are used again."""

    __tablename__ = "market_seats"
    __table_args__ = (
        Index(None, "owner"),
        Index(None, "model_id", "closed_at"),
    )

    seat_id: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, doc="Seat."
    )
    opened_block: Mapped[int] = mapped_column(
        Count, primary_key=True, autoincrement=False, doc="Block of the opening."
    )
    opened_index: Mapped[int] = mapped_column(
        Integer, primary_key=True, autoincrement=False, doc="Position in that block."
    )
    owner: Mapped[str] = mapped_column(Address, doc="Who opened it.")
    model_id: Mapped[bytes] = mapped_column(Bytes32, doc="Model that it serves.")
    tick: Mapped[int] = mapped_column(Integer, doc="Price tick, 0 to 7.")
    opened_at: Mapped[int] = mapped_column(Count, doc="Time of the opening.")
    closing_at: Mapped[int | None] = mapped_column(Count, doc="Time of the request.")
    closed_at: Mapped[int | None] = mapped_column(Count, doc="Time of the end.")
    returned: Mapped[int | None] = mapped_column(Amount, doc="Bond returned, units.")
    slashed: Mapped[int | None] = mapped_column(Amount, doc="Bond lost, units.")
    slash_reason: Mapped[int | None] = mapped_column(Integer, doc="`SlashReason`.")
    slashed_job: Mapped[bytes | None] = mapped_column(Bytes32, doc="Job it failed.")


class ModelRow(Base):
    """A registered model."""

    __tablename__ = "market_models"

    model_id: Mapped[bytes] = mapped_column(Bytes32, primary_key=True, doc="Model.")
    registered_block: Mapped[int] = mapped_column(Count, doc="Block.")
    registered_index: Mapped[int] = mapped_column(Integer, doc="Position in it.")
    registered_at: Mapped[int] = mapped_column(Count, doc="Its time, Unix seconds.")
    registrant: Mapped[str] = mapped_column(Address, doc="Who registered it.")
    package_digest: Mapped[bytes] = mapped_column(Bytes32, doc="Model package.")
    weights_root: Mapped[bytes] = mapped_column(Bytes32, doc="Root of the weights.")
    # Anybody's bytes, which need not be text.
    profile: Mapped[bytes] = mapped_column(Bytes32, doc="Arithmetic profile.")
    vocab_size: Mapped[int] = mapped_column(Count, doc="Token ids.")
    context_length: Mapped[int] = mapped_column(Count, doc="Tokens of a context.")
    ms_per_token: Mapped[int] = mapped_column(Count, doc="Pace, milliseconds.")
    base_price: Mapped[int] = mapped_column(Amount, doc="Units a token at tick 0.")


class TransactionRow(Base):
    """A transaction with events of ours; its cost is looked up afterwards."""

    __tablename__ = "market_transactions"
    __table_args__ = (Index(None, "gas_used"), Index(None, "at"))

    tx_hash: Mapped[bytes] = mapped_column(Bytes32, primary_key=True, doc="Hash.")
    block_number: Mapped[int] = mapped_column(Count, index=True, doc="Block.")
    block_hash: Mapped[bytes] = mapped_column(Bytes32, doc="Its hash.")
    at: Mapped[int] = mapped_column(Count, doc="Its time, Unix seconds.")
    job_count: Mapped[int] = mapped_column(Integer, doc="Jobs that it has moved.")
    gas_used: Mapped[int | None] = mapped_column(Count, doc="Gas, once it is known.")
    gas_price: Mapped[int | None] = mapped_column(Amount, doc="Wei a unit of gas.")


class ParticipantRow(Base):
    """An account's record and money, all of its events together."""

    __tablename__ = "market_participants"
    __table_args__ = (Index(None, "seats_opened"),)

    address: Mapped[str] = mapped_column(Address, primary_key=True, doc="Account.")
    jobs_posted: Mapped[int] = mapped_column(Count, doc="Jobs that it posted.")
    jobs_accepted: Mapped[int] = mapped_column(Count, doc="Those Accepted.")
    escrowed: Mapped[int] = mapped_column(Amount, doc="Units locked for its jobs.")
    refunded: Mapped[int] = mapped_column(Amount, doc="Units of it that returned.")
    places: Mapped[int] = mapped_column(Count, doc="Places drawn for it as a worker.")
    committed: Mapped[int] = mapped_column(Count, doc="Places it committed for.")
    revealed: Mapped[int] = mapped_column(Count, doc="Places it revealed for.")
    completed: Mapped[int] = mapped_column(Count, doc="Times it agreed with a quorum.")
    missed: Mapped[int] = mapped_column(Count, doc="Times it did not serve.")
    slashed_count: Mapped[int] = mapped_column(Count, doc="Whole bonds lost.")
    slashed: Mapped[int] = mapped_column(Amount, doc="Units of bonds lost.")
    tokens: Mapped[int] = mapped_column(Count, doc="Tokens of accepted results.")
    earned: Mapped[int] = mapped_column(Amount, doc="Pay as a worker, units.")
    bounties: Mapped[int] = mapped_column(Amount, doc="Pay for moving jobs on, units.")
    deposited: Mapped[int] = mapped_column(Amount, doc="Units deposited.")
    withdrawn: Mapped[int] = mapped_column(Amount, doc="Units withdrawn.")
    seats_opened: Mapped[int] = mapped_column(Count, doc="Seats ever opened.")
    seats_open: Mapped[int] = mapped_column(Count, doc="Seats open now.")


class HourRow(Base):
    """What happened with a model in an hour."""

    __tablename__ = "market_hours"

    hour_at: Mapped[int] = mapped_column(
        Count, primary_key=True, autoincrement=False, doc="Begin, Unix seconds."
    )
    model_id: Mapped[bytes] = mapped_column(Bytes32, primary_key=True, doc="Model.")
    posted: Mapped[int] = mapped_column(Count, doc="Jobs posted.")
    escrowed: Mapped[int] = mapped_column(Amount, doc="Units locked for them.")
    accepted: Mapped[int] = mapped_column(Count, doc="Jobs that ended Accepted.")
    failed: Mapped[int] = mapped_column(Count, doc="Jobs that ended Failed.")
    cancelled: Mapped[int] = mapped_column(Count, doc="Jobs withdrawn.")
    prompts: Mapped[int] = mapped_column(Count, doc="Prompts of accepted jobs.")
    tokens: Mapped[int] = mapped_column(Count, doc="Tokens of accepted results.")
    seconds: Mapped[int] = mapped_column(
        Count, doc="From posting to the end, summed over accepted jobs."
    )
    paid: Mapped[int] = mapped_column(Amount, doc="Pay and bounties, units.")
    refunded: Mapped[int] = mapped_column(Amount, doc="Units back to requesters.")
    fee: Mapped[int] = mapped_column(Amount, doc="Units to the treasury.")
    slashed: Mapped[int] = mapped_column(Amount, doc="Units of bonds lost.")
