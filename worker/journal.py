"""The worker's memory: SQLite in WAL mode, one file for one key on one market.

It holds what the chain cannot tell again: outcomes that were computed, and how far the
events were read. Everything is written before the transaction that depends on it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from eth_typing import ChecksumAddress

from protocol.errors import JournalError
from protocol.market import JobId, JobParams, Outcome
from worker.pipeline import Duty

__all__ = ["Journal"]

_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE jobs (
    job_id BLOB PRIMARY KEY,
    params BLOB NOT NULL,
    posted_block INTEGER NOT NULL,
    closed_block INTEGER,
    settled_block INTEGER,
    delivered_block INTEGER
) STRICT;
CREATE INDEX open_jobs ON jobs (job_id) WHERE closed_block IS NULL;
CREATE INDEX undelivered_jobs ON jobs (job_id)
    WHERE settled_block IS NOT NULL AND delivered_block IS NULL;
CREATE TABLE duties (
    job_id BLOB NOT NULL,
    round_number INTEGER NOT NULL,
    place INTEGER NOT NULL,
    seat_id INTEGER NOT NULL,
    drawn_block INTEGER NOT NULL,
    drawn_at INTEGER NOT NULL,
    commit_deadline INTEGER NOT NULL,
    is_live INTEGER NOT NULL DEFAULT 1,
    outcome BLOB,
    results BLOB,
    is_published INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, round_number)
) STRICT;
CREATE INDEX live_duties ON duties (commit_deadline) WHERE is_live;
"""
_DUTY_COLUMNS = (
    "job_id, round_number, place, seat_id, drawn_at, commit_deadline, "
    "outcome, results, is_published"
)


class Journal:
    """One worker's journal. Not for use by several threads."""

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
    ) -> Self:
        """Open or create the journal.

        Raises:
            JournalError: The file is locked, damaged, of another version, or belongs
                to another key, market or chain. It is left as it is.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        owner = {
            "chain_id": str(chain_id),
            "marketplace": marketplace,
            "worker": worker,
        }
        try:
            connection = sqlite3.connect(path, timeout=5, isolation_level=None)
            journal = cls(connection, path)
            journal._prepare(owner)
        except sqlite3.Error as error:
            raise JournalError(
                f"journal {path} cannot be used ({error}): another process may hold "
                "it, or it is damaged; move it away to start anew"
            ) from error
        return journal

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    # Events

    def position(self) -> str | None:
        """Where the reading of events stopped, as `save_position` was given it."""
        row = self._connection.execute(
            "SELECT value FROM about WHERE name = 'position'"
        ).fetchone()
        return None if row is None else str(row[0])

    def save_position(self, position: str) -> None:
        """Remember how far events were read."""
        self._set("position", position)

    def record_job(self, job_id: JobId, params: JobParams, block_number: int) -> None:
        """Note a posted job."""
        self._connection.execute(
            "INSERT INTO jobs (job_id, params, posted_block) VALUES (?, ?, ?) "
            "ON CONFLICT (job_id) DO UPDATE SET posted_block = excluded.posted_block",
            (job_id, params.to_bytes(), block_number),
        )

    def close_job(self, job_id: JobId, block_number: int) -> None:
        """Note that a job ended; its duties are over."""
        self._connection.execute(
            "UPDATE jobs SET closed_block = ? WHERE job_id = ?", (block_number, job_id)
        )
        self._connection.execute(
            "UPDATE duties SET is_live = 0 WHERE job_id = ?", (job_id,)
        )

    def await_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job with a callback was settled, and nobody called it yet."""
        self._connection.execute(
            "UPDATE jobs SET settled_block = ? WHERE job_id = ?", (block_number, job_id)
        )

    def record_delivery(self, job_id: JobId, block_number: int) -> None:
        """Note that a job's callback was called."""
        self._connection.execute(
            "UPDATE jobs SET delivered_block = ? WHERE job_id = ?",
            (block_number, job_id),
        )

    def record_duty(self, duty: Duty, block_number: int) -> None:
        """Note a place on a committee; an outcome computed before is kept."""
        self._connection.execute(
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
        self._connection.execute(
            "DELETE FROM jobs WHERE posted_block > ?", (block_number,)
        )
        for column in ("closed_block", "settled_block", "delivered_block"):
            self._connection.execute(
                f"UPDATE jobs SET {column} = NULL WHERE {column} > ?", (block_number,)
            )
        self._connection.execute(
            "UPDATE duties SET is_live = (drawn_block <= ? AND job_id IN "
            "(SELECT job_id FROM jobs WHERE closed_block IS NULL))",
            (block_number,),
        )

    # Jobs and duties

    def params_of(self, job_id: JobId) -> JobParams | None:
        """Parameters of a job, if its posting was seen."""
        row = self._connection.execute(
            "SELECT params FROM jobs WHERE job_id = ?", (job_id,)
        ).fetchone()
        return None if row is None else JobParams.from_bytes(row[0])

    def open_jobs(self) -> list[tuple[JobId, JobParams]]:
        """Jobs that have not ended, in the order they were posted."""
        rows = self._connection.execute(
            "SELECT job_id, params FROM jobs WHERE closed_block IS NULL "
            "ORDER BY posted_block, job_id"
        )
        return [(JobId(job_id), JobParams.from_bytes(data)) for job_id, data in rows]

    def undelivered_jobs(self) -> list[tuple[JobId, JobParams]]:
        """Settled jobs whose callback waits, in the order they were posted."""
        rows = self._connection.execute(
            "SELECT job_id, params FROM jobs WHERE settled_block IS NOT NULL "
            "AND delivered_block IS NULL ORDER BY posted_block, job_id"
        )
        return [(JobId(job_id), JobParams.from_bytes(data)) for job_id, data in rows]

    def live_duties(self) -> list[Duty]:
        """Duties that may need work, the most urgent first."""
        rows = self._connection.execute(
            f"SELECT {_DUTY_COLUMNS} FROM duties WHERE is_live "
            "ORDER BY commit_deadline, job_id"
        )
        return [_duty(row) for row in rows]

    def save_outcome(self, duty: Duty, outcome: Outcome, results: bytes | None) -> None:
        """Keep what was computed. Must be called before the commitment is sent."""
        self._connection.execute(
            "UPDATE duties SET outcome = ?, results = ? "
            "WHERE job_id = ? AND round_number = ?",
            (outcome.to_bytes(), results, duty.job_id, duty.round_number),
        )

    def mark_published(self, duty: Duty) -> None:
        """Note that the results' bytes are on IPFS."""
        self._connection.execute(
            "UPDATE duties SET is_published = 1 WHERE job_id = ? AND round_number = ?",
            (duty.job_id, duty.round_number),
        )

    def finish_duty(self, duty: Duty) -> None:
        """Note that nothing is left to do."""
        self._connection.execute(
            "UPDATE duties SET is_live = 0 WHERE job_id = ? AND round_number = ?",
            (duty.job_id, duty.round_number),
        )

    # Private

    def _prepare(self, owner: dict[str, str]) -> None:
        connection = self._connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
                for name, value in owner.items():
                    self._set(name, value)
                connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        elif version != _SCHEMA_VERSION:
            raise JournalError(
                f"journal {self._path} has version {version}, this program writes "
                f"{_SCHEMA_VERSION}: use the program that wrote it"
            )
        self._require_owner(owner)

    def _require_owner(self, owner: dict[str, str]) -> None:
        rows = dict(self._connection.execute("SELECT name, value FROM about"))
        for name, value in owner.items():
            if rows.get(name) != value:
                raise JournalError(
                    f"journal {self._path} belongs to {name} {rows.get(name)}, "
                    f"not {value}: give another --data-dir"
                )

    def _set(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO about (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
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
