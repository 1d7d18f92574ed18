"""A batch's memory: one SQLite file in WAL mode, written before money moves.

It holds the prompts, the jobs that were made of them, and the results. What a job's
state is, only the chain says; the journal holds which jobs to ask about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Self

from protocol.errors import BatchError
from protocol.hexadecimal import to_hex
from protocol.host.crash_points import crash_point
from protocol.host.sqlite_file import SqliteFile
from protocol.market.types import JobId, JobParams
from requester.batches.plan import PlannedChunk
from requester.batches.records import (
    Attempt,
    AttemptState,
    BatchOptions,
    BatchProgress,
    Chunk,
    RowResult,
    RowStatus,
)
from requester.batches.schema import SCHEMA
from requester.prompts.request import PromptRequest

__all__ = ["BatchJournal"]

_CHUNK_COLUMNS = (
    "number, first_row, row_count, prompt_tokens, max_tokens, escrow, min_cost"
)
_LOST = (AttemptState.FAILED, AttemptState.CANCELLED)
# A chunk's prompts fare as its last job does.
_STATUS = {
    AttemptState.PREPARED: RowStatus.RUNNING,
    AttemptState.POSTED: RowStatus.RUNNING,
    AttemptState.UNFETCHED: RowStatus.UNFETCHED,
    AttemptState.ACCEPTED: RowStatus.ACCEPTED,
    AttemptState.FAILED: RowStatus.FAILED,
    AttemptState.CANCELLED: RowStatus.CANCELLED,
}


class BatchJournal:
    """One batch's journal. Not for use by several threads or processes.

    Every method raises `BatchError` when the file cannot be read or written.
    """

    def __init__(self, file: SqliteFile) -> None:
        """Wrap an open file; use `create` or `open`."""
        self._file = file

    @classmethod
    def create(
        cls,
        path: Path,
        owner: Mapping[str, str],
        options: BatchOptions,
        out: Path,
        chunks: Iterable[PlannedChunk],
    ) -> Self:
        """Writes a new batch down, all of it or nothing.

        Args:
            path: The file, which must not exist.
            owner: Chain, marketplace and requester, by name.
            options: The batch's options.
            out: Where the results go.
            chunks: Prompts, split into jobs.

        Raises:
            BatchError: The file cannot be written.
            RequestError: As the chunks raise it; the file is gone then.
        """
        file = SqliteFile(path, SCHEMA, is_new=True)
        try:
            with file.transaction():
                file.migrate(owner)
                file.set_about({"options": options.to_json(), "out": str(out)})
                for planned in chunks:
                    _add_chunk(file, planned)
                crash_point("batch.creating")
        except BaseException:
            file.discard()
            raise
        crash_point("batch.created")
        return cls(file)

    @staticmethod
    def is_complete(path: Path) -> bool:
        """Whether a batch was written down to its end. Raises BatchError."""
        with SqliteFile(path, SCHEMA) as file:
            return file.version > 0

    @classmethod
    def open(cls, path: Path, owner: Mapping[str, str] | None = None) -> Self:
        """Opens a journal.

        Args:
            path: The file.
            owner: Chain, marketplace and requester that it must belong to; None for
                any.

        Raises:
            BatchError: It is locked, damaged, of a later version, never completed, or
                belongs to others.
        """
        file = SqliteFile(path, SCHEMA)
        try:
            if not file.version:
                raise BatchError(
                    f"batch journal {path} was never completed, so nothing was posted: "
                    "remove it and submit the batch again"
                )
            file.migrate(owner)
        except BaseException:
            file.close()
            raise
        return cls(file)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def discard(self) -> None:
        """Closes and removes the file; for a batch of which nothing was posted."""
        self._file.discard()

    # ---------------------------------------------------------------- about

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def options(self) -> BatchOptions:
        """The batch's options."""
        with self._file.decoded():
            return BatchOptions.from_json(self._file.about("options"))

    @options.setter
    def options(self, options: BatchOptions) -> None:
        self._file.set_about({"options": options.to_json()})

    @property
    def out(self) -> Path:
        """Where the results go."""
        return Path(self._file.about("out"))

    # ---------------------------------------------------------------- jobs

    def chunks(self) -> Iterator[Chunk]:
        """All chunks, in order."""
        query = f"SELECT {_CHUNK_COLUMNS} FROM chunks ORDER BY number"
        yield from map(self._chunk, self._file.stream(query))

    def next_chunk(self) -> Chunk | None:
        """The first chunk that needs a job, if there is one."""
        rows = self._file.rows(
            f"SELECT {_CHUNK_COLUMNS} FROM chunks WHERE is_waiting "
            "ORDER BY number LIMIT 1"
        )
        return self._chunk(rows[0]) if rows else None

    def requests_of(self, chunk: Chunk) -> list[PromptRequest]:
        """A chunk's prompts, in order, with their seeds."""
        rows = self._file.rows(
            "SELECT request FROM rows WHERE chunk = ? ORDER BY number", (chunk.number,)
        )
        with self._file.decoded():
            return [_request(text) for (text,) in rows]

    def prepare(self, attempt: Attempt, content: bytes) -> None:
        """Writes a job and its prompts document down. Must come before its posting."""
        crash_point("job.preparing")
        with self._file.transaction():
            self._file.run(
                "INSERT INTO attempts (job_id, chunk, params, content, escrow, "
                "from_block, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(attempt.job_id, attempt.chunk, attempt.params.to_bytes()),
                    *(content, str(attempt.escrow), attempt.from_block, attempt.state),
                ),
            )
            self._file.run(
                "UPDATE chunks SET is_waiting = 0, attempt = ? WHERE number = ?",
                (attempt.job_id, attempt.chunk),
            )
        crash_point("job.prepared")

    def content_of(self, attempt: Attempt) -> bytes:
        """The prompts document of a job that has not ended."""
        rows = self._file.rows(
            "SELECT content FROM attempts WHERE job_id = ?", (attempt.job_id,)
        )
        if not rows or rows[0][0] is None:
            raise self._file.unusable(
                f"it lacks the prompts document of job {to_hex(attempt.job_id)}"
            )
        return bytes(rows[0][0])

    def unsettled(self) -> list[Attempt]:
        """Jobs that are posted, or may be, and have not ended; oldest first."""
        return self._attempts("refunded IS NULL")

    def unfetched(self) -> list[Attempt]:
        """Accepted jobs whose results are not here yet; oldest first."""
        return self._attempts("state = ?", (AttemptState.UNFETCHED,))

    def mark(self, attempt: Attempt, state: AttemptState) -> None:
        """Notes that a job stands on the chain, or that it does not any more."""
        self._file.run(
            "UPDATE attempts SET state = ? WHERE job_id = ?", (state, attempt.job_id)
        )
        crash_point("job.marked")

    def settle(
        self, attempt: Attempt, state: AttemptState, refunded: int, reason: str = ""
    ) -> None:
        """Notes how a job ended and what came back, units."""
        crash_point("job.settling")
        self._file.run(
            "UPDATE attempts SET state = ?, refunded = ?, reason = ?, content = NULL "
            "WHERE job_id = ?",
            (state, str(refunded), reason, attempt.job_id),
        )
        crash_point("job.settled")

    def note_reason(self, attempt: Attempt, reason: str) -> None:
        """Notes why an accepted job's results are not here."""
        self._file.run(
            "UPDATE attempts SET reason = ? WHERE job_id = ?",
            (reason, attempt.job_id),
        )

    def collect(self, attempt: Attempt, outputs: Sequence[Mapping[str, Any]]) -> None:
        """Keeps an accepted job's outputs, all or none."""
        crash_point("results.keeping")
        with self._file.transaction():
            numbers = self._file.rows(
                "SELECT number FROM rows WHERE chunk = ? ORDER BY number",
                (attempt.chunk,),
            )
            for (number,), output in zip(numbers, outputs, strict=True):
                self._file.run(
                    "UPDATE rows SET output = ? WHERE number = ?",
                    (json.dumps(output), number),
                )
            self._file.run(
                "UPDATE attempts SET state = ?, reason = '' WHERE job_id = ?",
                (AttemptState.ACCEPTED, attempt.job_id),
            )
        crash_point("results.kept")

    def retry_lost(self) -> int:
        """Lets every chunk whose job failed or was cancelled have a new one.

        Returns:
            How many there are.
        """
        return self._file.run(
            "UPDATE chunks SET is_waiting = 1 WHERE NOT is_waiting AND attempt IN "
            "(SELECT job_id FROM attempts WHERE state IN (?, ?))",
            _LOST,
        )

    # ---------------------------------------------------------------- what came of it

    def progress(self) -> BatchProgress:
        """How far the batch has come."""
        counts = dict.fromkeys(RowStatus, 0)
        for state, is_waiting, rows in self._file.rows(
            "SELECT state, is_waiting, sum(row_count) FROM chunks LEFT JOIN attempts "
            "ON attempt = job_id GROUP BY state, is_waiting"
        ):
            counts[_status(state, is_waiting)] += rows
        spent = locked = in_flight = 0
        with self._file.decoded():
            for escrow, refunded in self._file.rows(
                "SELECT escrow, refunded FROM attempts"
            ):
                if refunded is None:
                    in_flight += 1
                    locked += int(escrow)
                else:
                    spent += int(escrow) - int(refunded)
        ((jobs,),) = self._file.rows("SELECT count(*) FROM chunks")
        return BatchProgress(counts, jobs, in_flight, spent, locked)

    def results(self) -> Iterator[RowResult]:
        """Every prompt and what came of it, in the order of the prompts."""
        query = (
            "SELECT line, name, request, output, state, is_waiting, attempt, reason "
            "FROM rows JOIN chunks ON chunks.number = rows.chunk "
            "LEFT JOIN attempts ON attempt = job_id ORDER BY rows.number"
        )
        for row in self._file.stream(query):
            with self._file.decoded():
                result = _result(row)
            yield result

    # ---------------------------------------------------------------- private

    def _attempts(self, condition: str, values: Sequence[object] = ()) -> list[Attempt]:
        rows = self._file.rows(
            "SELECT job_id, chunk, params, escrow, state, from_block FROM attempts "
            f"WHERE {condition} ORDER BY from_block, chunk",
            values,
        )
        with self._file.decoded():
            return [_attempt(row) for row in rows]

    def _chunk(self, row: tuple[Any, ...]) -> Chunk:
        with self._file.decoded():
            return Chunk(*map(int, row))


def _add_chunk(file: SqliteFile, planned: PlannedChunk) -> None:
    chunk = planned.chunk
    file.run(
        f"INSERT INTO chunks ({_CHUNK_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*astuple(chunk)[:5], str(chunk.escrow), str(chunk.min_cost)),
    )
    for number, row in enumerate(planned.rows, start=chunk.first_row):
        request = json.dumps(row.request.to_json())
        file.run(
            "INSERT INTO rows (number, chunk, line, name, request) "
            "VALUES (?, ?, ?, ?, ?)",
            (number, chunk.number, row.line, row.name, request),
        )


def _request(text: str) -> PromptRequest:
    return PromptRequest.from_json(json.loads(text))


def _attempt(row: tuple[Any, ...]) -> Attempt:
    job_id, chunk, params, escrow, state, from_block = row
    return Attempt(
        job_id=JobId(job_id),
        chunk=chunk,
        params=JobParams.from_bytes(params),
        escrow=int(escrow),
        state=AttemptState(state),
        from_block=from_block,
    )


def _status(state: str | None, is_waiting: int) -> RowStatus:
    if state is None or is_waiting:
        return RowStatus.WAITING
    return _STATUS[AttemptState(state)]


def _result(row: tuple[Any, ...]) -> RowResult:
    line, name, request, output, state, is_waiting, job_id, reason = row
    return RowResult(
        line=line,
        name=name,
        prompt=_request(request).text,
        status=_status(state, is_waiting),
        job_id=None if job_id is None else JobId(job_id),
        output=None if output is None else json.loads(output),
        reason=reason or "",
    )
