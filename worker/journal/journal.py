"""The worker's memory: SQLite in WAL mode, one file for one key on one market.

It holds what the chain cannot tell again: outcomes that were computed, and how far the
events were read. Everything is written before the transaction that depends on it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from eth_typing import ChecksumAddress

from protocol.digests import Digest
from protocol.errors import JournalError
from protocol.host.crash_points import crash_point
from protocol.market.types import JobId, JobParams, Outcome
from worker.duty import Duty
from worker.journal.schema import SCHEMA_VERSION, migrate

__all__ = ["ExpiredJob", "Journal"]

_LOCK_SECONDS = 5.0
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

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        """Wrap an open journal; use `Journal.open`."""
        self._connection = connection
        self._path = path

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        chain_id: int,
        marketplace: ChecksumAddress,
        worker: ChecksumAddress,
        lock_seconds: float = _LOCK_SECONDS,
    ) -> Self:
        """Open or create the journal; one of an older version is brought up to date.

        Args:
            path: The file.
            chain_id: Chain of the market.
            marketplace: The market.
            worker: The account that works.
            lock_seconds: How long to wait for another process to let go of it.

        Raises:
            JournalError: The file is locked, damaged, of a newer version, or belongs
                to another key, market or chain. It is left as it is.
        """
        owner = {
            "chain_id": str(chain_id),
            "marketplace": marketplace,
            "worker": worker,
        }
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Answers are in it; its companions get the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(
                path, timeout=lock_seconds, isolation_level=None
            )
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from error
        journal = cls(connection, path)
        try:
            journal._prepare(owner)
        except sqlite3.Error as error:
            connection.close()
            raise _unusable(path, error) from error
        except JournalError:
            connection.close()
            raise
        return journal

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            # A full disk has rolled it back already.
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
            raise

    # Events

    def position(self) -> str | None:
        """Where the reading of events stopped, as `save_position` was given it."""
        rows = self._execute("SELECT value FROM about WHERE name = 'position'")
        return str(rows[0][0]) if rows else None

    def save_position(self, position: str) -> None:
        """Remember how far events were read."""
        self._set("position", position)

    def record_job(self, job_id: JobId, params: JobParams, block_number: int) -> None:
        """Note a posted job."""
        self._execute(
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
        self._execute(
            "UPDATE jobs SET closed_block = ?, closed_at = ? WHERE job_id = ?",
            (block_number, now, job_id),
        )
        self._execute("UPDATE duties SET is_live = 0 WHERE job_id = ?", (job_id,))

    def await_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job with a callback was settled, and nobody called it yet."""
        self._execute(
            "UPDATE jobs SET settled_block = ? WHERE job_id = ?", (block_number, job_id)
        )

    def record_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job's callback was called."""
        self._execute(
            "UPDATE jobs SET delivered_block = ? WHERE job_id = ?",
            (block_number, job_id),
        )

    def record_duty(self, duty: Duty, block_number: int) -> None:
        """Note a place on a committee; an outcome computed before is kept."""
        self._execute(
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
        self._execute("DELETE FROM jobs WHERE posted_block > ?", (block_number,))
        self._execute(
            "UPDATE jobs SET closed_block = NULL, closed_at = NULL "
            "WHERE closed_block > ?",
            (block_number,),
        )
        for column in ("settled_block", "delivered_block"):
            self._execute(
                f"UPDATE jobs SET {column} = NULL WHERE {column} > ?", (block_number,)
            )
        self._execute(
            "UPDATE duties SET is_live = (drawn_block <= ? AND job_id IN "
            "(SELECT job_id FROM jobs WHERE closed_block IS NULL))",
            (block_number,),
        )

    # Jobs and duties

    def params_of(self, job_id: JobId) -> JobParams | None:
        """Parameters of a job, if its posting was seen."""
        rows = self._execute("SELECT params FROM jobs WHERE job_id = ?", (job_id,))
        return JobParams.from_bytes(rows[0][0]) if rows else None

    def open_jobs(self) -> list[tuple[JobId, JobParams]]:
        """Jobs that have not ended, in the order they were posted."""
        rows = self._execute(
            "SELECT job_id, params FROM jobs WHERE closed_block IS NULL "
            "ORDER BY posted_block, job_id"
        )
        return [(JobId(job_id), JobParams.from_bytes(data)) for job_id, data in rows]

    def undelivered_jobs(self) -> list[tuple[JobId, JobParams]]:
        """Settled jobs whose callback waits, in the order they were posted."""
        rows = self._execute(
            "SELECT job_id, params FROM jobs WHERE settled_block IS NOT NULL "
            "AND delivered_block IS NULL ORDER BY posted_block, job_id"
        )
        return [(JobId(job_id), JobParams.from_bytes(data)) for job_id, data in rows]

    def standing_of(self, job_id: JobId) -> tuple[bool, bool]:
        """Whether a job has not ended, and whether its callback waits."""
        rows = self._execute(
            "SELECT closed_block IS NULL, "
            "settled_block IS NOT NULL AND delivered_block IS NULL "
            "FROM jobs WHERE job_id = ?",
            (job_id,),
        )
        is_open, is_undelivered = rows[0] if rows else (False, False)
        return bool(is_open), bool(is_undelivered)

    def live_duties(self) -> list[Duty]:
        """Duties that may need work, the most urgent first."""
        rows = self._execute(
            f"SELECT {_DUTY_COLUMNS} FROM duties WHERE is_live "
            "ORDER BY commit_deadline, job_id"
        )
        return [_duty(row) for row in rows]

    def live_duties_of(self, job_id: JobId) -> list[Duty]:
        """Those of one job."""
        rows = self._execute(
            f"SELECT {_DUTY_COLUMNS} FROM duties WHERE job_id = ? AND is_live "
            "ORDER BY commit_deadline",
            (job_id,),
        )
        return [_duty(row) for row in rows]

    def save_outcome(self, duty: Duty, outcome: Outcome, results: bytes | None) -> None:
        """Keep what was computed. Must be called before the commitment is sent."""
        self._execute(
            "UPDATE duties SET outcome = ?, results = ? "
            "WHERE job_id = ? AND round_number = ?",
            (outcome.to_bytes(), results, duty.job_id, duty.round_number),
        )

    def mark_published(self, duty: Duty) -> None:
        """Note that the results' bytes are on IPFS."""
        self._execute(
            "UPDATE duties SET is_published = 1 WHERE job_id = ? AND round_number = ?",
            (duty.job_id, duty.round_number),
        )

    def finish_duty(self, duty: Duty) -> None:
        """Note that nothing is left to do."""
        self._execute(
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
        rows = self._execute(
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
            self._execute("DELETE FROM duties WHERE job_id = ?", (job_id,))
            self._execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))

    def _own_digests(self, job_id: JobId) -> tuple[Digest, ...]:
        """Equal bytes have one pin, whichever jobs they answer."""
        rows = self._execute(
            "SELECT DISTINCT outcome FROM duties AS own WHERE job_id = ? "
            "AND is_published AND NOT EXISTS (SELECT 1 FROM duties WHERE "
            "outcome = own.outcome AND job_id <> own.job_id AND is_published)",
            (job_id,),
        )
        outcomes = [Outcome.from_bytes(row[0]) for row in rows]
        return tuple(outcome.results_digest for outcome in outcomes)

    # Private

    def _execute(
        self, statement: str, values: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        """Run a statement; returns all of its rows, for reading them can fail too."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _unusable(self._path, error) from error

    def _prepare(self, owner: dict[str, str]) -> None:
        connection = self._connection
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise JournalError(
                f"journal {self._path} has version {version}, this program writes "
                f"{SCHEMA_VERSION}: use the program that wrote it"
            )
        self._require_sound(version)
        if version:
            self._require_owner(owner)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if version < SCHEMA_VERSION:
            crash_point("journal.migrating")
            with self.transaction():
                migrate(connection, version)
                for name, value in owner.items():
                    self._set(name, value)
            crash_point("journal.migrated")

    def _require_sound(self, version: int) -> None:
        ((found,),) = self._execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise _unusable(self._path, found)
        ((tables,),) = self._execute("SELECT COUNT(*) FROM sqlite_master")
        if tables and not version:
            raise _unusable(self._path, "it is another program's database")

    def _require_owner(self, owner: dict[str, str]) -> None:
        rows = dict(self._execute("SELECT name, value FROM about"))
        for name, value in owner.items():
            if rows.get(name) != value:
                raise JournalError(
                    f"journal {self._path} belongs to {name} {rows.get(name)}, "
                    f"not {value}: give another --data-dir"
                )

    def _set(self, name: str, value: str) -> None:
        self._execute(
            "INSERT INTO about (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


def _unusable(path: Path, reason: object) -> JournalError:
    return JournalError(
        f"journal {path} cannot be used ({reason}): another process may hold it, the "
        "disk may be full, or it is damaged; a worker without it loses no bond: move "
        "it away to start anew"
    )


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
