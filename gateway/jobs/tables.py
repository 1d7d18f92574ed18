"""The tables of calls and of the jobs that they became; both only ever move forward.

```text
call   queued ─► reserved ─► posted ─► accepted ─► settled
                    │           └─► refunded   (the job ended without an answer)
                    └─► released               (it never became part of a posted job)

job    drafted ─► posting ─► posted ─► accepted ─► settled
          │          │          └─► failed
          └──────────┴─► abandoned ─► settled, failed or forgotten
```

`queued` is a line of a batch that waits for its reservation. `posting` is written
before the transaction is sent, so after a crash the chain is asked whether it landed;
sending it again is harmless, for the marketplace takes a job's parameters once. A job
is `abandoned` when its callers were told that nothing was charged while it was unknown
whether it landed: if it did, the gateway bears its cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Float, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, MappedColumn, mapped_column
from sqlalchemy.types import TypeDecorator

from gateway.database.base import Amount, Base, Bytes32, Count, JsonOf
from gateway.jobs.terms import AnswerForm, JobTerms
from protocol.documents.prompts import Prompt
from protocol.documents.results import Output
from protocol.market.types import JobId, JobParams

__all__ = [
    "LIVE_JOBS",
    "CallFault",
    "CallRow",
    "CallState",
    "GatewayJobRow",
    "SharedJobStage",
]


class CallState(StrEnum):
    """Where a call stands."""

    QUEUED = "queued"
    RESERVED = "reserved"
    POSTED = "posted"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    RELEASED = "released"
    REFUNDED = "refunded"

    @property
    def has_answer(self) -> bool:
        """Whether outputs are there."""
        return self in (CallState.ACCEPTED, CallState.SETTLED)

    @property
    def is_refused(self) -> bool:
        """Whether there will never be an answer."""
        return self in (CallState.RELEASED, CallState.REFUNDED)


class SharedJobStage(StrEnum):
    """Where a job stands, as far as the gateway has seen."""

    DRAFTED = "drafted"
    POSTING = "posting"
    POSTED = "posted"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    FAILED = "failed"
    ABANDONED = "abandoned"
    FORGOTTEN = "forgotten"


LIVE_JOBS = (
    SharedJobStage.DRAFTED,
    SharedJobStage.POSTING,
    SharedJobStage.POSTED,
    SharedJobStage.ACCEPTED,
    SharedJobStage.ABANDONED,
)
"""Stages from which a job still moves."""


@dataclass(frozen=True, slots=True)
class CallFault:
    """Why a call has no answer.

    Attributes:
        status: HTTP status.
        message: For the caller.
        kind: OpenAI's type of such an error.
        code: What is wrong, for programs.
        param: The parameter that is wrong; None for the call as a whole.
    """

    status: int
    message: str
    kind: str = "invalid_request_error"
    code: str | None = "call_ended"
    param: str | None = None


class _Params(TypeDecorator[JobParams]):
    """A job's parameters, `abi.encode(JobParams)`."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: JobParams | None, dialect: Dialect) -> Any:
        return None if value is None else value.to_bytes()

    def process_result_value(self, value: Any, dialect: Dialect) -> JobParams | None:
        return None if value is None else JobParams.from_bytes(value)


class GatewayJobRow(Base):
    """A job that this gateway posts or posted."""

    __tablename__ = "gateway_jobs"

    job_id: Mapped[JobId] = mapped_column(
        Bytes32, primary_key=True, doc="The marketplace's name of it."
    )
    params: Mapped[JobParams] = mapped_column(
        _Params, doc="`abi.encode(JobParams)`: what is posted, whoever posts."
    )
    content: Mapped[bytes | None] = mapped_column(
        LargeBinary, doc="The prompts document until the job is on chain."
    )
    stage: Mapped[str] = mapped_column(String(16), doc="See `gateway.jobs.tables`.")
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


def _text(kind: Any, *, doc: str) -> MappedColumn[Any]:
    """A column that is large, and so is read only where it is asked for."""
    return mapped_column(kind, deferred=True, deferred_group="texts", doc=doc)


class CallRow(Base):
    """A caller's request: what was asked, what it may cost, what came of it."""

    __tablename__ = "calls"

    call_id: Mapped[str] = mapped_column(
        String(40), primary_key=True, doc="As the answer names it."
    )
    key_id: Mapped[str] = mapped_column(
        ForeignKey("api_keys.key_id"), index=True, doc="Who pays."
    )
    state: Mapped[str] = mapped_column(String(16), doc="See `gateway.jobs.tables`.")
    replica: Mapped[str] = mapped_column(
        String(64), doc="Whose caller waits, while it has no job."
    )
    endpoint: Mapped[str] = mapped_column(String(32), doc="What was called.")
    body: Mapped[str | None] = _text(
        Text, doc="The line of a batch as it came, JSON; it may be read again."
    )
    prompts: Mapped[tuple[Prompt, ...] | None] = _text(
        JsonOf(tuple[Prompt, ...]), doc="What the job's document says of it, JSON."
    )
    terms: Mapped[JobTerms | None] = mapped_column(
        JsonOf(JobTerms),
        doc="Model, tick, redundancy, rounds, JSON: equal ones share a job.",
    )
    form: Mapped[AnswerForm | None] = mapped_column(
        JsonOf(AnswerForm), doc="What it says about the form of its answer, JSON."
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
    outputs: Mapped[tuple[Output, ...] | None] = _text(
        JsonOf(tuple[Output, ...]), doc="Its outputs, JSON."
    )
    new_tokens: Mapped[int | None] = mapped_column(
        Count, doc="Tokens that were generated for it."
    )
    fault: Mapped[CallFault | None] = mapped_column(
        JsonOf(CallFault), doc="Why it was refused, JSON."
    )
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
    custom_id: Mapped[str | None] = mapped_column(
        JsonOf(str), doc="The caller's name for the line, JSON."
    )
    created_at: Mapped[float] = mapped_column(Float(53), doc="Unix time.")
    changed_at: Mapped[float] = mapped_column(
        Float(53), doc="Unix time of its last step."
    )

    __table_args__ = (
        Index(None, "state", "replica"),
        Index(None, "key_id", "idempotency_key", unique=True),
    )
