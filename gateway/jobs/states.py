"""Where a call and its job stand; both only ever move forward.

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

from enum import StrEnum

__all__ = ["LIVE_JOBS", "OPEN_CALLS", "CallState", "SharedJobStage"]


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


OPEN_CALLS = (CallState.RESERVED, CallState.POSTED, CallState.ACCEPTED)
"""States in which a call holds a reservation."""

LIVE_JOBS = (
    SharedJobStage.DRAFTED,
    SharedJobStage.POSTING,
    SharedJobStage.POSTED,
    SharedJobStage.ACCEPTED,
    SharedJobStage.ABANDONED,
)
"""Stages from which a job still moves."""
