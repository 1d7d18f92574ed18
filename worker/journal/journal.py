"""The worker's memory: SQLite in WAL mode, one file for one key on one market.

It holds what the chain cannot tell again: outcomes that were computed, and how far the
events were read. Everything is written before the transaction that depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from eth_typing import ChecksumAddress

from protocol.digests import Digest
from protocol.host.crash_points import crash_point
from protocol.host.sqlite_file import SqliteFile
from protocol.market.types import JobId, JobParams, Outcome
from worker.duty import Duty
from worker.journal.schema import SCHEMA

__all__ = ["ExpiredJob", "Journal"]

_DUTY_COLUMNS = (
    "job_id, round_number, place, seat_id, drawn_at, commit_deadline, "
    "outcome, results, is_published"
)


@dataclass(frozen=True, slots=True)
class ExpiredJob:
    """A job that ended long ago.

    Attributes:
        job_id: The job.
        digests: Results of this worker's for it that no younger job shares.
    """

    job_id: JobId
    digests: tuple[Digest, ...]


class Journal:
    """One worker's journal. Not for use by several threads.

    All methods raise JournalError when the file cannot be read or written.
    """

    def __init__(self, file: SqliteFile) -> None:
        """Wrap an open journal; use `Journal.open`."""
        self._file = file

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        chain_id: int,
        marketplace: ChecksumAddress,
        worker: ChecksumAddress,
    ) -> Self:
        """Open or create the journal; one of an older version is brought up to date.

        Args:
            path: The file.
            chain_id: Chain of the market.
            marketplace: The market.
            worker: The account that works.

        Raises:
            JournalError: The file is locked, damaged, of a newer version, or belongs
                to another key, market or chain. It is left as it is.
        """
        file = SqliteFile(path, SCHEMA)
        try:
            crash_point("journal.migrating")
            file.migrate(
                {
                    "chain_id": str(chain_id),
                    "marketplace": marketplace,
                    "worker": worker,
                }
            )
            crash_point("journal.migrated")
        except BaseException:
            file.close()
            raise
        return cls(file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All of what is written inside, or nothing."""
        return self._file.transaction()

    # Events

    def position(self) -> str | None:
        """Where the reading of events stopped, as `save_position` was given it."""
        rows = self._file.rows("SELECT value FROM about WHERE name = 'position'")
        return str(rows[0][0]) if rows else None

    def save_position(self, position: str) -> None:
        """Remember how far events were read."""
        self._file.set_about({"position": position})

    def record_job(self, job_id: JobId, params: JobParams, block_number: int) -> None:
        """Note a posted job."""
        self._file.run(
            "INSERT INTO jobs (job_id, params, posted_block) VALUES (?, ?, ?) "
            "ON CONFLICT (job_id) DO UPDATE SET posted_block = excluded.posted_block",
            (job_id, params.to_bytes(), block_number),
        )

    def close_job(self, job_id: JobId, block_number: int, *, now: int) -> None:
        """Note that a job ended; its duties are over.

        Args:
            job_id: The job.
            block_number: Block of its end.
            now: Unix seconds, from which it is kept for a while.
        """
        self._file.run(
            "UPDATE jobs SET closed_block = ?, closed_at = ? WHERE job_id = ?",
            (block_number, now, job_id),
        )
        self._file.run("UPDATE duties SET is_live = 0 WHERE job_id = ?", (job_id,))

    def await_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job with a callback was settled, and nobody called it yet."""
        self._file.run(
            "UPDATE jobs SET settled_block = ? WHERE job_id = ?", (block_number, job_id)
        )

    def record_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job's callback was called."""
        self._file.run(
            "UPDATE jobs SET delivered_block = ? WHERE job_id = ?",
            (block_number, job_id),
        )

    def record_duty(self, duty: Duty, block_number: int) -> None:
        """Note a place on a committee; an outcome computed before is kept."""
        self._file.run(
            "INSERT INTO duties (job_id, round_number, place, seat_id, drawn_block, "
            "drawn_at, commit_deadline) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (job_id, round_number) DO UPDATE SET place = excluded.place, "
            "seat_id = excluded.seat_id, drawn_block = excluded.drawn_block, "
            "drawn_at = excluded.drawn_at, is_live = 1, "
            "commit_deadline = excluded.commit_deadline",
            (
                duty.job_id,
                duty.round_number,
                duty.place,
                duty.seat_id,
                block_number,
                duty.drawn_at,
                duty.commit_deadline,
            ),
        )

    def rewind(self, block_number: int) -> None:
        """Undo what followed from events after a block; outcomes are kept."""
        self._file.run("DELETE FROM jobs WHERE posted_block > ?", (block_number,))
        self._file.run(
            "UPDATE jobs SET closed_block = NULL, closed_at = NULL "
            "WHERE closed_block > ?",
            (block_number,),
        )
        for column in ("settled_block", "delivered_block"):
            self._file.run(
                f"UPDATE jobs SET {column} = NULL WHERE {column} > ?", (block_number,)
            )
        self._file.run(
            "UPDATE duties SET is_live = (drawn_block <= ? AND job_id IN "
            "(SELECT job_id FROM jobs WHERE closed_block IS NULL))",
            (block_number,),
        )

    # Jobs and duties

    def params_of(self, job_id: JobId) -> JobParams | None:
        """Parameters of a job, if its posting was seen."""
        rows = self._file.rows("SELECT params FROM jobs WHERE job_id = ?", (job_id,))
        return JobParams.from_bytes(rows[0][0]) if rows else None

    def open_jobs(self) -> list[tuple[JobId, JobParams]]:
        """Jobs that have not ended, in the order they were posted."""
        rows = self._file.rows(
            "SELECT job_id, params FROM jobs WHERE closed_block IS NULL "
            "ORDER BY posted_block, job_id"
        )
        return [(JobId(job_id), JobParams.from_bytes(data)) for job_id, data in rows]

    def undelivered_jobs(self) -> list[tuple[JobId, JobParams]]:
        """Settled jobs whose callback waits, in the order they were posted."""
        rows = self._file.rows(
            "SELECT job_id, params FROM jobs WHERE settled_block IS NOT NULL "
            "AND delivered_block IS NULL ORDER BY posted_block, job_id"
        )
        return [(JobId(job_id), JobParams.from_bytes(data)) for job_id, data in rows]

    def standing_of(self, job_id: JobId) -> tuple[bool, bool]:
        """Whether a job has not ended, and whether its callback waits."""
        rows = self._file.rows(
            "SELECT closed_block IS NULL, "
            "settled_block IS NOT NULL AND delivered_block IS NULL "
            "FROM jobs WHERE job_id = ?",
            (job_id,),
        )
        is_open, is_undelivered = rows[0] if rows else (False, False)
        return bool(is_open), bool(is_undelivered)

    def live_duties(self) -> list[Duty]:
        """Duties that may need work, the most urgent first."""
        rows = self._file.rows(
            f"SELECT {_DUTY_COLUMNS} FROM duties WHERE is_live "
            "ORDER BY commit_deadline, job_id"
        )
        return [_duty(row) for row in rows]

    def live_duties_of(self, job_id: JobId) -> list[Duty]:
        """Those of one job."""
        rows = self._file.rows(
            f"SELECT {_DUTY_COLUMNS} FROM duties WHERE job_id = ? AND is_live "
            "ORDER BY commit_deadline",
            (job_id,),
        )
        return [_duty(row) for row in rows]

    def save_outcome(self, duty: Duty, outcome: Outcome, results: bytes | None) -> None:
        """Keep what was computed. Must be called before the commitment is sent."""
        self._file.run(
            "UPDATE duties SET outcome = ?, results = ? "
            "WHERE job_id = ? AND round_number = ?",
            (outcome.to_bytes(), results, duty.job_id, duty.round_number),
        )

    def mark_published(self, duty: Duty) -> None:
        """Note that the results' bytes are on IPFS."""
        self._file.run(
            "UPDATE duties SET is_published = 1 WHERE job_id = ? AND round_number = ?",
            (duty.job_id, duty.round_number),
        )

    def finish_duty(self, duty: Duty) -> None:
        """Note that nothing is left to do."""
        self._file.run(
            "UPDATE duties SET is_live = 0 WHERE job_id = ? AND round_number = ?",
            (duty.job_id, duty.round_number),
        )

    # Old jobs

    def expired_jobs(self, closed_before: int, *, limit: int) -> list[ExpiredJob]:
        """Jobs that ended before a time, and whose callback does not wait.

        Args:
            closed_before: Unix seconds.
            limit: Most jobs to return, the oldest first.
        """
        rows = self._file.rows(
            "SELECT job_id FROM jobs WHERE closed_at < ? AND "
            "(settled_block IS NULL OR delivered_block IS NOT NULL) "
            "ORDER BY closed_at LIMIT ?",
            (closed_before, limit),
        )
        job_ids = [JobId(row[0]) for row in rows]
        return [ExpiredJob(each, self._own_digests(each)) for each in job_ids]

    def delete_jobs(self, job_ids: Sequence[JobId]) -> None:
        """Forget jobs and all that was done for them."""
        for job_id in job_ids:
            self._file.run("DELETE FROM duties WHERE job_id = ?", (job_id,))
            self._file.run("DELETE FROM jobs WHERE job_id = ?", (job_id,))

    def _own_digests(self, job_id: JobId) -> tuple[Digest, ...]:
        """Equal bytes have one pin, whichever jobs they answer."""
        rows = self._file.rows(
            "SELECT DISTINCT outcome FROM duties AS own WHERE job_id = ? "
            "AND is_published AND NOT EXISTS (SELECT 1 FROM duties WHERE "
            "outcome = own.outcome AND job_id <> own.job_id AND is_published)",
            (job_id,),
        )
        outcomes = [Outcome.from_bytes(row[0]) for row in rows]
        return tuple(outcome.results_digest for outcome in outcomes)


def _duty(row: tuple[Any, ...]) -> Duty:
    job_id, number, place, seat_id, drawn_at, deadline, outcome, results, out = row
    return Duty(
        job_id=JobId(job_id),
        round_number=number,
        place=place,
        seat_id=seat_id,
        drawn_at=drawn_at,
        commit_deadline=deadline,
        outcome=None if outcome is None else Outcome.from_bytes(outcome),
        results=results,
        is_published=bool(out),
    )
