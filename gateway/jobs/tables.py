"""The tables of calls and of the jobs that they became."""

from __future__ import annotations

from sqlalchemy import Float, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from gateway.database.base import Amount, Base, Bytes32, Count

__all__ = ["CallRow", "GatewayJobRow"]


class GatewayJobRow(Base):
    """A job that this gateway posts or posted."""

    __tablename__ = "gateway_jobs"

    job_id: Mapped[bytes] = mapped_column(
        Bytes32, primary_key=True, doc="The marketplace's name of it."
    )
    params: Mapped[bytes] = mapped_column(
        LargeBinary, doc="`abi.encode(JobParams)`: what is posted, whoever posts."
    )
    content: Mapped[bytes | None] = mapped_column(
        LargeBinary, doc="The prompts document until the job is on chain."
    )
    stage: Mapped[str] = mapped_column(String(16), doc="See `gateway.jobs.states`.")
    holder: Mapped[str] = mapped_column(String(64), doc="The replica that moves it on.")
    held_until: Mapped[float] = mapped_column(
        Float(53), doc="Unix time from which on another may take it over."
    )
    posted_block: Mapped[int | None] = mapped_column(Count, doc="Block of its posting.")
    escrowed: Mapped[int] = mapped_column(Amount, doc="Units that posting locks.")
    cost: Mapped[int | None] = mapped_column(
        Amount, doc="Units that did not come back, once settled."
    )
    absorbed: Mapped[int | None] = mapped_column(
        Amount, doc="The part of the cost that no caller was charged."
    )
    gas_used: Mapped[int | None] = mapped_column(Count, doc="Gas of the posting.")
    created_at: Mapped[float] = mapped_column(Float(53), doc="Unix time.")
    changed_at: Mapped[float] = mapped_column(
        Float(53), doc="Unix time of its last step."
    )

    __table_args__ = (Index(None, "stage", "holder"),)


class CallRow(Base):
    """A caller's request: what was asked, what it may cost, what came of it."""

    __tablename__ = "calls"

    call_id: Mapped[str] = mapped_column(
        String(40), primary_key=True, doc="As the answer names it."
    )
    key_id: Mapped[str] = mapped_column(
        ForeignKey("api_keys.key_id"), index=True, doc="Who pays."
    )
    state: Mapped[str] = mapped_column(String(16), doc="See `gateway.jobs.states`.")
    replica: Mapped[str] = mapped_column(
        String(64), doc="Whose caller waits, while it has no job."
    )
    endpoint: Mapped[str] = mapped_column(String(32), doc="What was called.")
    body: Mapped[str] = mapped_column(Text, doc="The call as it came, JSON.")
    prompts: Mapped[str] = mapped_column(
        Text, doc="What it asks of the market, JSON; see `gateway.jobs.terms`."
    )
    terms: Mapped[str] = mapped_column(
        String(100), doc="Model, tick, redundancy, rounds: equal ones share a job."
    )
    prompt_count: Mapped[int] = mapped_column(Count, doc="Outputs that it asks for.")
    max_tokens: Mapped[int] = mapped_column(
        Count, doc="Tokens of its prompts and most that they may generate."
    )
    prompt_tokens: Mapped[int] = mapped_column(Count, doc="Tokens of its prompts.")
    reserved: Mapped[int] = mapped_column(Amount, doc="Most that it may cost.")
    charge: Mapped[int | None] = mapped_column(Amount, doc="What it did cost.")
    job_id: Mapped[bytes | None] = mapped_column(
        ForeignKey("gateway_jobs.job_id"), index=True, doc="The job that answers it."
    )
    first_output: Mapped[int | None] = mapped_column(
        Count, doc="Its first output's position in the job."
    )
    outputs: Mapped[str | None] = mapped_column(Text, doc="Its outputs, JSON.")
    new_tokens: Mapped[int | None] = mapped_column(
        Count, doc="Tokens that were generated for it."
    )
    status: Mapped[int | None] = mapped_column(Count, doc="HTTP status if refused.")
    fault: Mapped[str | None] = mapped_column(Text, doc="Why it was refused.")
    idempotency_key: Mapped[str | None] = mapped_column(
        String(128), doc="The caller's name for it."
    )
    body_hash: Mapped[str] = mapped_column(
        String(64), doc="SHA-256 of the body, hexadecimal."
    )
    batch_id: Mapped[str | None] = mapped_column(
        ForeignKey("batches.batch_id"),
        index=True,
        doc="The batch that it is a line of.",
    )
    line: Mapped[int | None] = mapped_column(Count, doc="Line of the batch's file.")
    custom_id: Mapped[str | None] = mapped_column(Text, doc="JSON string.")
    created_at: Mapped[float] = mapped_column(Float(53), doc="Unix time.")
    changed_at: Mapped[float] = mapped_column(
        Float(53), doc="Unix time of its last step."
    )

    __table_args__ = (
        Index(None, "state", "replica"),
        Index(None, "key_id", "idempotency_key", unique=True),
    )
