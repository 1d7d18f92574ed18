"""Rate limits: a token bucket for each API key, shared by all replicas.

A call is looked at before it is worked on, and counted where it is written down anyway:
a transaction of its own for each call would cost more than the call.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.accounts.tables import ApiKeyRow
from gateway.database.clock import DatabaseNow
from gateway.errors import RateLimited

__all__ = ["Bucket", "check_rate", "take_call"]

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """Calls that may be made at once, refilled evenly over a minute.

    Attributes:
        capacity: Calls a minute, and most at once.
        level: Calls left at `at`.
        at: Unix time, seconds.
    """

    capacity: int
    level: float
    at: float

    def taken(self, now: float) -> tuple[Bucket, float]:
        """The bucket after a call at `now`, and how long that call has to wait.

        A call that has to wait takes nothing.

        Returns:
            The bucket and 0.0, or the bucket unused and the seconds until a call.
        """
        elapsed = max(0.0, now - self.at)
        level = min(
            float(self.capacity), self.level + elapsed * self.capacity / _MINUTE
        )
        if level >= 1.0:
            return Bucket(self.capacity, level - 1.0, now), 0.0
        wait = (1.0 - level) * _MINUTE / self.capacity
        return Bucket(self.capacity, level, now), wait


def check_rate(session: Session, key_id: str) -> None:
    """Refuses a call that its key's limit leaves no room for; counts nothing.

    Args:
        session: Any session.
        key_id: The key, which exists.

    Raises:
        RateLimited: The key has to wait.
    """
    _after_a_call(*_look(session, key_id, is_locked=False))


def take_call(session: Session, key_id: str) -> None:
    """Counts a call against the limit of a key.

    Args:
        session: A writing session.
        key_id: The key, which exists.

    Raises:
        RateLimited: The key has to wait.
    """
    row, now = _look(session, key_id, is_locked=True)
    after = _after_a_call(row, now)
    row.rate_level, row.rate_at = after.level, after.at


def _look(session: Session, key_id: str, *, is_locked: bool) -> tuple[ApiKeyRow, float]:
    statement = select(ApiKeyRow, DatabaseNow()).where(ApiKeyRow.key_id == key_id)
    if is_locked:
        statement = statement.with_for_update(of=ApiKeyRow)
        statement = statement.execution_options(populate_existing=True)
    row, now = session.execute(statement).one()
    return row, float(now)


def _after_a_call(row: ApiKeyRow, now: float) -> Bucket:
    bucket = Bucket(row.calls_per_minute, row.rate_level, row.rate_at)
    after, wait = bucket.taken(now)
    if wait:
        raise RateLimited(
            f"this API key may make {row.calls_per_minute} calls a minute; "
            f"wait {wait:.1f} s, or ask the operator for a higher limit",
            retry_after_seconds=wait,
        )
    return after
