"""From what was seen to the figures of the report; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.market.load import Followed
from benchmarks.market.worker import WorkerUsage
from protocol.hexadecimal import to_hex
from protocol.market.types import JobId

__all__ = ["LoadRow", "blocks_beyond_inference", "overhead_share", "percentile"]


@dataclass(frozen=True, slots=True)
class LoadRow:
    """One number of jobs in flight.

    Attributes:
        in_flight: Jobs open at a time.
        jobs: Jobs that ended while it was measured.
        jobs_per_second: Of those.
        p50_blocks: Median of the blocks from post to acceptance less inference.
        p95_blocks: The same, of which one in twenty is above.
        overhead_share: CPU of the workers that their engines did not use.
    """

    in_flight: int
    jobs: int
    jobs_per_second: float
    p50_blocks: float
    p95_blocks: float
    overhead_share: float

    def to_json(self) -> dict[str, Any]:
        """As the report has it."""
        return {
            "inFlight": self.in_flight,
            "jobs": self.jobs,
            "jobsPerSecond": round(self.jobs_per_second, 3),
            "p50Blocks": self.p50_blocks,
            "p95Blocks": self.p95_blocks,
            "overheadShare": round(self.overhead_share, 4),
        }


def blocks_beyond_inference(
    jobs: Mapping[JobId, Followed],
    inference: Iterable[Mapping[str, Any]],
    *,
    block_seconds: float,
) -> list[int]:
    """Blocks from post to acceptance, less the slowest member's inference.

    Args:
        jobs: Jobs that were accepted.
        inference: `job_id` and `seconds` of every computation.
        block_seconds: Seconds between blocks; inference is rounded up to these.
    """
    slowest: dict[str, float] = {}
    for one in inference:
        slowest[one["job_id"]] = max(slowest.get(one["job_id"], 0.0), one["seconds"])
    return [
        job.accepted_block
        - job.posted_block
        - math.ceil(slowest[to_hex(job_id)] / block_seconds)
        for job_id, job in jobs.items()
        if job.accepted_block is not None
    ]


def overhead_share(
    before: Sequence[WorkerUsage], after: Sequence[WorkerUsage]
) -> float:
    """Share of the workers' CPU time between two looks that was not their engines'."""
    pairs = list(zip(before, after, strict=True))
    cpu = sum(late.cpu_seconds - early.cpu_seconds for early, late in pairs)
    engine = sum(late.engine_seconds - early.engine_seconds for early, late in pairs)
    return 1 - engine / cpu


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest value that so many percent are not above.

    Raises:
        ValueError: There are none.
    """
    if not values:
        raise ValueError("no values")
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]
