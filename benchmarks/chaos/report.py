"""What a run came to, counted on the chain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from devnet.demo.audit import audit
from protocol.chain.reader import MarketReader
from protocol.market.events import JobPosted, SeatClosed, SeatSlashed
from protocol.market.types import JobId, JobState

__all__ = ["Count", "count"]


@dataclass(frozen=True, slots=True)
class Count:
    """Jobs and money of a market after a run.

    Attributes:
        posted: Jobs that the chain knows.
        accepted: Those with a quorum's result, by id.
        refunded: Those that failed or were cancelled.
        open: Those that have not ended.
        honest_slashed: Slashes of workers, none of which was dishonest.
        seats_closed: Seats that workers had to open again.
        unaccounted: What the books and the chain say of each other, in sentences.
    """

    posted: int
    accepted: frozenset[JobId]
    refunded: int
    open: int
    honest_slashed: int
    seats_closed: int
    unaccounted: tuple[str, ...]


def count(market: MarketReader) -> Count:
    """Count everything that happened on a market of honest accounts only.

    Raises:
        RpcUnavailable: The chain does not answer.
    """
    logs = market.events(kinds=(JobPosted, SeatSlashed, SeatClosed))
    events = [log.event for log in logs]
    jobs = [event.job_id for event in events if isinstance(event, JobPosted)]
    state_of = {job_id: market.state_of(job_id) for job_id in jobs}
    states = Counter(state_of.values())
    return Count(
        posted=len(jobs),
        accepted=frozenset(
            job_id for job_id, state in state_of.items() if state is JobState.ACCEPTED
        ),
        refunded=states[JobState.FAILED] + states[JobState.CANCELLED],
        open=sum(number for state, number in states.items() if not state.is_final),
        honest_slashed=sum(isinstance(event, SeatSlashed) for event in events),
        seats_closed=sum(isinstance(event, SeatClosed) for event in events),
        unaccounted=tuple(audit(market)),
    )
