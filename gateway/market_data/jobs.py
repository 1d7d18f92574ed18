"""Jobs: lists with filters, search and pages, and how many there are of each state."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address
from sqlalchemy import Row, Select, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from gateway.indexer.models import EventRow, JobRow, MemberRow
from gateway.market_data.paging import (
    MAX_ITEMS,
    Page,
    page_of,
    read_cursor,
    write_cursor,
)
from protocol.digests import Digest
from protocol.errors import RequestError
from protocol.market.types import JobId, JobState, ModelId, OutcomeStatus

__all__ = [
    "JobFilter",
    "JobSummary",
    "find_job",
    "jobs_by_state",
    "list_jobs",
    "newest_jobs",
]

_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")
_HASH_DIGITS = 64


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; None and empty leave all of them.

    Attributes:
        states: Any of these.
        model_id: Of this model.
        requester: Posted by this account.
        worker: With this account on a committee.
        text: What a person typed: a job's id or its beginning, an account, a
            transaction, the digest of a document, or a model.
    """

    states: Collection[JobState] = field(default=())
    model_id: ModelId | None = None
    requester: ChecksumAddress | None = None
    worker: ChecksumAddress | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A job in a list; the columns of `market_jobs` say what each field means."""

    job_id: JobId
    posted_block: int
    posted_index: int
    posted_at: int
    posted_tx: bytes
    requester: ChecksumAddress
    model_id: ModelId
    tick: int
    prompts_digest: Digest
    prompt_count: int
    max_tokens: int
    redundancy: int
    max_rounds: int
    callback: ChecksumAddress | None
    escrowed: int
    state: JobState
    round_number: int
    deadline_at: int | None
    expiry_block: int | None
    accepted_at: int | None
    ended_block: int | None
    ended_at: int | None
    paid: int | None
    refunded: int | None
    fee: int | None
    outcome_status: OutcomeStatus | None
    token_count: int | None
    results_root: bytes | None
    results_digest: Digest | None
    is_delivered: bool | None

    @property
    def seconds(self) -> int | None:
        """From the posting to the end, once there is one."""
        return None if self.ended_at is None else self.ended_at - self.posted_at

    @property
    def paid_per_token(self) -> float | None:
        """Units paid, fee included, for a token of an accepted result."""
        if not self.token_count or self.paid is None:
            return None
        return (self.paid + (self.fee or 0)) / self.token_count


_COLUMNS = tuple(getattr(JobRow, name) for name in JobSummary.__dataclass_fields__)
_NEWEST = (JobRow.posted_block.desc(), JobRow.posted_index.desc())


def list_jobs(
    session: Session,
    wanted: JobFilter,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[JobSummary]:
    """Jobs, newest first.

    Args:
        session: A reading session.
        wanted: Which ones.
        cursor: `next_cursor` of the page before.
        limit: Most of them, at most `MOST_ITEMS`.

    Raises:
        RequestError: The cursor is malformed, or the text cannot be searched for.
    """
    limit = max(1, min(limit, MAX_ITEMS))
    query = _filtered(select(*_COLUMNS), wanted)
    if cursor is not None:
        query = query.where(
            tuple_(JobRow.posted_block, JobRow.posted_index) < _position(cursor)
        )
    found = session.execute(query.order_by(*_NEWEST).limit(limit + 1)).all()
    rows, last = page_of(found, limit)
    after = None if last is None else write_cursor(last.posted_block, last.posted_index)
    return Page(tuple(_summary(row) for row in rows), after)


def newest_jobs(session: Session, limit: int = 10) -> tuple[JobSummary, ...]:
    """The jobs posted last."""
    return list_jobs(session, JobFilter(), limit=limit).items


def find_job(session: Session, job_id: JobId) -> JobSummary | None:
    """A job by its id."""
    row = session.execute(select(*_COLUMNS).where(JobRow.job_id == job_id)).first()
    return None if row is None else _summary(row)


def jobs_by_state(session: Session) -> Mapping[JobState, int]:
    """How many jobs are in each state, by what events tell; all states are there."""
    query = select(JobRow.state, func.count()).group_by(JobRow.state)
    counts = {JobState(state): count for state, count in session.execute(query)}
    states = (state for state in JobState if state is not JobState.NONEXISTENT)
    return {state: counts.get(state, 0) for state in states}


def _summary(row: Row[Any]) -> JobSummary:
    values = dict(row._mapping)
    values["state"] = JobState(values["state"])
    if values["outcome_status"] is not None:
        values["outcome_status"] = OutcomeStatus(values["outcome_status"])
    return JobSummary(**values)


def _position(cursor: str) -> tuple[int, int]:
    block, index = read_cursor(cursor, 2)
    # What is longer fits no column.
    if not (block.isdecimal() and index.isdecimal() and len(block + index) <= 18):
        raise RequestError("the cursor is malformed; take `next_cursor` of a page")
    return int(block), int(index)


def _filtered(query: Select[Any], wanted: JobFilter) -> Select[Any]:
    if wanted.states:
        query = query.where(JobRow.state.in_([int(state) for state in wanted.states]))
    if wanted.model_id is not None:
        query = query.where(JobRow.model_id == wanted.model_id)
    if wanted.requester is not None:
        query = query.where(JobRow.requester == wanted.requester)
    if wanted.worker is not None:
        query = query.where(_has_worker(wanted.worker))
    text = wanted.text.strip()
    return query.where(_matches(text)) if text else query


def _has_worker(worker: ChecksumAddress) -> Any:
    served = select(MemberRow.job_id).where(MemberRow.worker == worker)
    return JobRow.job_id.in_(served)


def _matches(text: str) -> Any:
    if is_address(text):
        account = to_checksum_address(text)
        return or_(JobRow.requester == account, _has_worker(account))
    if not _HEX.fullmatch(text):
        raise RequestError(
            f"cannot search for {text[:80]!r}; give the id of a job or its beginning, "
            "an account, a transaction or a digest, in hexadecimal after 0x"
        )
    digits = text[2:].lower()
    if len(digits) == _HASH_DIGITS:
        return _is_named(bytes.fromhex(digits))
    first = bytes.fromhex(digits.ljust(_HASH_DIGITS, "0"))
    last = bytes.fromhex(digits.ljust(_HASH_DIGITS, "f"))
    return and_(JobRow.job_id >= first, JobRow.job_id <= last)


def _is_named(word: bytes) -> Any:
    """Whether a job has to do with 32 bytes, whatever they are."""
    moved = select(EventRow.job_id).where(
        EventRow.tx_hash == word, EventRow.job_id.is_not(None)
    )
    return or_(
        JobRow.job_id == word,
        JobRow.model_id == word,
        JobRow.prompts_digest == word,
        JobRow.results_digest == word,
        JobRow.job_id.in_(moved),
    )
