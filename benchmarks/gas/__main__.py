"""What a job costs in gas, on a real node.

    python -m benchmarks.gas --json FILE [--seeds N]

Every figure is `gasUsed` of mined transactions on Anvil, intrinsic gas and call data
included. The state is steady: all accounts have transacted before, hold credit and have
a record, seats have answered before, the allowance stands. Committees are drawn by real
seeds, so a figure is the mean of several jobs. A posting pulls tokens, besides what
earlier refunds left as credit; deposits and withdrawals are not included.

For the draw from large rosters one account opens the seats; then the storage of each is
given an owner of its own, and those that are to be busy are marked so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gas.scene import (
    WORKERS,
    GasScene,
    Steps,
    measure_batch,
    measure_draw,
    measure_jobs,
)
from devnet.processes.anvil import local_chain
from tests.support.network.chain import FIRST_WORKER

__all__ = ["main", "mean_steps", "report"]

COMMITTEES = (1, 3, 5, 7)
PROMPTS = 1_000
# A quarter of ten seats is no whole number; of twelve it is three.
ROSTERS = {"0.90": (10, 10_000), "0.25": (12, 10_000)}
SEEDS = 50


def mean_steps(jobs: Sequence[Steps]) -> Steps:
    """Step by step, the rounded mean over jobs of the same size."""

    def mean(values: Iterator[int]) -> int:
        return round(statistics.mean(values))

    size = range(len(jobs[0].commits))
    return Steps(
        post=mean(job.post for job in jobs),
        draw=mean(job.draw for job in jobs),
        commits=tuple(mean(job.commits[place] for job in jobs) for place in size),
        reveals=tuple(mean(job.reveals[place] for job in jobs) for place in size),
    )


def phases_of(steps: Steps) -> dict[str, Any]:
    """A job's steps by name, with what each kind adds up to."""
    return {
        "post": steps.post,
        "draw": steps.draw,
        "commit": list(steps.commits),
        "reveal": list(steps.reveals),
        "commits": sum(steps.commits),
        "reveals": sum(steps.reveals),
    }


def report(
    jobs: Mapping[int, Steps],
    *,
    thousand_prompts: int,
    batched_commit: int,
    draws: Mapping[str, Mapping[int, float]],
) -> dict[str, Any]:
    """The figures as a JSON value.

    Args:
        jobs: Mean steps by size of the committee.
        thousand_prompts: Gas of a job of a thousand prompts.
        batched_commit: Gas of a commit in a batch of ten.
        draws: Mean gas of a draw by idle share and size of the roster.
    """
    further = (jobs[7].total - jobs[3].total) / (7 - 3)
    shares = {
        share: {str(size): round(gas) for size, gas in sizes.items()}
        for share, sizes in draws.items()
    }
    usual = draws["0.90"]
    return {
        "job": {str(size): steps.total for size, steps in sorted(jobs.items())},
        "perFurtherWorker": round(further),
        "phases": {str(size): phases_of(steps) for size, steps in sorted(jobs.items())},
        "perPrompt1000": -(-thousand_prompts // PROMPTS),
        "commitBatched10": batched_commit,
        "draw": {
            "10": round(usual[min(usual)]),
            "10000": round(usual[max(usual)]),
        },
        "drawByIdleShare": shares,
        "drawRatio": {share: _ratio(sizes) for share, sizes in draws.items()},
    }


def _ratio(sizes: Mapping[int, float]) -> float:
    return round(sizes[max(sizes)] / sizes[min(sizes)], 3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="file to write")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of each draw")
    options = parser.parse_args(arguments)
    with local_chain("--accounts", WORKERS + FIRST_WORKER) as node:
        scene = GasScene.open(node)
        jobs, long_jobs = measure_jobs(scene, COMMITTEES, PROMPTS)
        batched = measure_batch(scene)
        draws = {
            share: {
                size: measure_draw(scene, size, float(share), options.seeds)
                for size in sizes
            }
            for share, sizes in ROSTERS.items()
        }
    figures = report(
        {size: mean_steps(found) for size, found in jobs.items()},
        thousand_prompts=mean_steps(long_jobs).total,
        batched_commit=batched,
        draws=draws,
    )
    options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(
        json.dumps({k: v for k, v in figures.items() if k != "phases"}) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
