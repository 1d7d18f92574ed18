"""The runs: rows of jobs in flight, memory over many jobs, time to resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.market.load import Load
from benchmarks.market.measures import (
    LoadRow,
    blocks_beyond_inference,
    overhead_share,
    percentile,
)
from benchmarks.market.package import LARGE, SMALL
from benchmarks.market.scene import BLOCK_SECONDS, LoadScene, scene
from protocol.market.types import JobId
from protocol.store.ipfs import IpfsStore

__all__ = ["MarketPlan", "run_market"]

_MIB = 1 << 20
_SAMPLES = 10

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MarketPlan:
    """What to run.

    Attributes:
        in_flight: Jobs in flight of each row.
        is_quick: A small model instead of one of 124M parameters.
        row_seconds: Longest time of a row.
        soak_jobs: Jobs over which memory is watched; 0 leaves it out.
    """

    in_flight: tuple[int, ...]
    is_quick: bool
    row_seconds: float
    soak_jobs: int


def run_market(plan: MarketPlan, folder: Path, report: Report) -> dict[str, Any]:
    """Run all of a plan.

    Args:
        plan: What to run.
        folder: An empty folder.
        report: Told what is done, in lines for people.

    Returns:
        The figures, as they go to the report.
    """
    shape = SMALL if plan.is_quick else LARGE
    report("starting a chain, an IPFS node and three workers")
    with scene(folder, shape, max_in_flight=max(plan.in_flight)) as made:
        network = made.network
        load = Load(made.client, IpfsStore(network.ipfs_api), network.model_id)
        rows = []
        for in_flight in plan.in_flight:
            row = _row(made, load, in_flight, plan.row_seconds)
            report(f"{row.to_json()}")
            rows.append(row.to_json())
            load.drain(plan.row_seconds)
        memory = _soak(made, load, plan, report)
    return {"rows": rows, **memory}


def _row(made: LoadScene, load: Load, in_flight: int, seconds: float) -> LoadRow:
    """Warm up until as many jobs have ended as are in flight, then measure."""
    warm = len(load.settled) + max(3, in_flight)
    for _ in load.run(in_flight, lambda: len(load.settled) >= warm, seconds):
        pass
    wanted = len(load.settled) + max(12, 2 * in_flight)
    known = set(load.settled)
    before, started = made.usages(), time.monotonic()
    for _ in load.run(in_flight, lambda: len(load.settled) >= wanted, seconds):
        pass
    after, ended = made.usages(), time.monotonic()
    new = [job_id for job_id in load.settled if job_id not in known]
    blocks = _blocks(made, load, new)
    return LoadRow(
        in_flight=in_flight,
        jobs=len(new),
        jobs_per_second=len(new) / (ended - started),
        p50_blocks=percentile(blocks, 50),
        p95_blocks=percentile(blocks, 95),
        overhead_share=overhead_share(before, after),
    )


def _blocks(made: LoadScene, load: Load, job_ids: Sequence[JobId]) -> list[int]:
    jobs = {job_id: load.jobs[job_id] for job_id in job_ids}
    return blocks_beyond_inference(
        jobs, made.log_events("computed"), block_seconds=BLOCK_SECONDS
    )


def _soak(
    made: LoadScene, load: Load, plan: MarketPlan, report: Report
) -> dict[str, Any]:
    """Memory of the workers over many jobs."""
    if not plan.soak_jobs:
        return {}
    start = len(load.settled)
    samples: list[dict[str, Any]] = []
    seconds = plan.row_seconds * _SAMPLES
    for _ in load.run(32, lambda: len(load.settled) - start >= plan.soak_jobs, seconds):
        ended = len(load.settled) - start
        if ended >= len(samples) * plan.soak_jobs / _SAMPLES:
            resident = [round(one.memory_bytes / _MIB, 1) for one in made.usages()]
            samples.append({"jobs": ended, "residentMiB": resident})
            report(f"{samples[-1]}")
    load.drain(plan.row_seconds)
    return {"memory": samples}
