"""Tables of a worker's journal, and how a journal of an older version becomes new."""

from __future__ import annotations

from protocol.errors import JournalError
from protocol.host.sqlite_file import SqliteSchema

__all__ = ["SCHEMA"]

_FIRST = """
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
# When a job ended decides how long it is kept; of those that ended before this was
# written down, the time of the migration stands for it.
_WITH_ENDS = """
ALTER TABLE jobs ADD COLUMN closed_at INTEGER;
UPDATE jobs SET closed_at = CAST(strftime('%s', 'now') AS INTEGER)
    WHERE closed_block IS NOT NULL;
CREATE INDEX closed_jobs ON jobs (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX published_outcomes ON duties (outcome) WHERE is_published;
"""

SCHEMA = SqliteSchema(
    what="journal",
    advice="a worker without it loses no bond: move it away to start anew",
    error=JournalError,
    # Version 1 was never released.
    versions={2: _FIRST, 3: _WITH_ENDS},
    is_checked=True,
)
"""What `SqliteFile` needs to know of a worker's journal."""
