"""What a batch consists of, as its journal and its runner speak of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from protocol.errors import RequestError
from protocol.market.types import JobId, JobParams, ModelId
from requester.jobs.drafts import Terms
from requester.prompts.decoding import Decoding
from requester.prompts.tasks import Task

__all__ = [
    "DEFAULT_JOB_SIZE",
    "Attempt",
    "AttemptState",
    "BatchOptions",
    "BatchProgress",
    "Chunk",
    "RowResult",
    "RowStatus",
]

DEFAULT_JOB_SIZE = 32
"""Prompts of a job: enough to make gas a small part, few enough to lose little."""

_MAX_JOB_SIZE = 10_000
_MAX_IN_FLIGHT = 1_000


class AttemptState(StrEnum):
    """Where a job of a batch stands, as far as the requester knows."""

    PREPARED = "prepared"
    """Written down; it may or may not have been posted."""
    POSTED = "posted"
    UNFETCHED = "unfetched"
    """Accepted and paid; its results could not be had yet."""
    ACCEPTED = "accepted"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RowStatus(StrEnum):
    """What came of one prompt."""

    ACCEPTED = "accepted"
    UNFETCHED = "unfetched"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RUNNING = "running"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What a requester chooses about a batch besides its prompts.

    Attributes:
        task: How to frame the prompts.
        decoding: Parameters for all prompts; their own ones win. Without a seed of its
            own, prompt i of the batch gets this seed plus i.
        terms: Every job's terms; `max_job_tokens` bounds how many prompts go into one.
        job_size: Most prompts of a job.
        in_flight: Most jobs that are posted and not settled; None for as many as the
            model's seats can serve at once.
        budget: Most units that the batch may cost in all; None for any.

    Raises:
        RequestError: A value is out of range.
    """

    task: Task = Task.COMPLETE
    decoding: Decoding = field(default_factory=Decoding)
    terms: Terms = field(default_factory=Terms)
    job_size: int = DEFAULT_JOB_SIZE
    in_flight: int | None = None
    budget: int | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without a market."""
        if not 1 <= self.job_size <= _MAX_JOB_SIZE:
            raise RequestError(
                f"job_size is {self.job_size}; give 1 to {_MAX_JOB_SIZE} prompts"
            )
        if self.in_flight is not None and not 1 <= self.in_flight <= _MAX_IN_FLIGHT:
            raise RequestError(
                f"in_flight is {self.in_flight}; give 1 to {_MAX_IN_FLIGHT} jobs"
            )
        if self.terms.max_cost is not None:
            raise RequestError(
                "max_cost bounds one job; give the batch a budget instead"
            )

    def changed(
        self, *, budget: int | None = None, in_flight: int | None = None
    ) -> BatchOptions:
        """These options with those limits replaced that are given."""
        return replace(
            self,
            budget=self.budget if budget is None else budget,
            in_flight=self.in_flight if in_flight is None else in_flight,
        )

    def to_json(self) -> str:
        """JSON text, for the batch's journal."""
        terms = asdict(self.terms)
        if self.terms.model_id is not None:
            terms["model_id"] = self.terms.model_id.hex()
        value = {
            "task": self.task.value,
            "decoding": self.decoding.to_json(),
            "terms": terms,
            "job_size": self.job_size,
            "in_flight": self.in_flight,
            "budget": self.budget,
        }
        return json.dumps(value)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        value = json.loads(text)
        terms = value["terms"]
        if terms["model_id"] is not None:
            terms["model_id"] = ModelId(bytes.fromhex(terms["model_id"]))
        return cls(
            task=Task(value["task"]),
            decoding=Decoding.from_json(value["decoding"]),
            terms=Terms(**terms),
            job_size=value["job_size"],
            in_flight=value["in_flight"],
            budget=value["budget"],
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """The prompts that become one job.

    Attributes:
        number: From 0, in the order of the prompts.
        first_row: Its first prompt, from 0.
        row_count: How many there are.
        prompt_tokens: Tokens of the prompts themselves.
        max_tokens: Tokens of prompts and answers at most.
        escrow: What posting locks, units.
        min_cost: What it costs if nothing is generated, units.
    """

    number: int
    first_row: int
    row_count: int
    prompt_tokens: int
    max_tokens: int
    escrow: int
    min_cost: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One job that was made of a chunk; a chunk has several if jobs failed.

    Attributes:
        job_id: Hash of chain, marketplace and parameters.
        chunk: Number of the chunk.
        params: What is posted, again and again the same.
        escrow: What posting locks, units.
        state: Where it stands.
        from_block: Earliest block that it can be posted in.
    """

    job_id: JobId
    chunk: int
    params: JobParams
    escrow: int
    state: AttemptState
    from_block: int


@dataclass(frozen=True, slots=True)
class RowResult:
    """One prompt of a batch and what came of it.

    Attributes:
        line: Its line in the file, from 1; its number where there was no file.
        name: What the file calls it; None where it does not.
        prompt: Its text as handed in.
        status: What came of it.
        job_id: Its last job; None before there is one.
        output: The output as `--json` shows it; None without a result.
        reason: Why there is no result; empty if there is one or may come.
    """

    line: int
    name: str | None
    prompt: str
    status: RowStatus
    job_id: JobId | None
    output: Mapping[str, Any] | None
    reason: str


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch has come. Amounts are units of the escrow token.

    Attributes:
        prompts: Prompts by what came of them.
        jobs: Jobs that the prompts were split into.
        in_flight: Jobs that are posted, or may be, and not settled.
        spent: What settled jobs have cost.
        locked: Escrow of the jobs in flight.
        note: What is waited for, if not just for workers.
    """

    prompts: Mapping[RowStatus, int]
    jobs: int
    in_flight: int
    spent: int
    locked: int
    note: str = ""

    @property
    def total(self) -> int:
        """Prompts of the batch."""
        return sum(self.prompts.values())

    @property
    def accepted(self) -> int:
        """Prompts with a result."""
        return self.prompts.get(RowStatus.ACCEPTED, 0)

    @property
    def failed(self) -> int:
        """Prompts whose job failed or was cancelled."""
        failed = self.prompts.get(RowStatus.FAILED, 0)
        return failed + self.prompts.get(RowStatus.CANCELLED, 0)

    @property
    def unfetched(self) -> int:
        """Prompts whose accepted results could not be had yet."""
        return self.prompts.get(RowStatus.UNFETCHED, 0)

    @property
    def pending(self) -> int:
        """Prompts that nothing came of yet."""
        return self.total - self.accepted - self.failed - self.unfetched
