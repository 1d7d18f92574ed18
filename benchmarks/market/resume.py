"""How long a worker takes to be up to date again with many past jobs behind it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from protocol.digests import Digest
from protocol.market.types import (
    JobId,
    Outcome,
    OutcomeStatus,
)
from tests.support.market.values import a_job
from worker.duty import Duty
from worker.journal.journal import Journal
from worker.journal.live import LiveJobs

__all__ = ["time_to_resume"]

_OWNER = to_checksum_address("0x" + "22" * 20)
_RESULTS_BYTES = 800
_OPEN = 100


def time_to_resume(folder: Path, past_jobs: int) -> dict[str, Any]:
    """Write a journal of past jobs and a hundred open ones, then open it again.

    Returns:
        Number of jobs, size of the file, and seconds from opening the journal to
        knowing all that is live.
    """
    path = folder / "journal.sqlite"
    journal = _open(path)
    with journal.transaction():
        for number in range(past_jobs + _OPEN):
            _record(journal, number, is_open=number >= past_jobs)
    journal.close()
    started = time.perf_counter()
    journal = _open(path)
    live = len(LiveJobs(journal).duties())
    seconds = time.perf_counter() - started
    journal.close()
    return {
        "pastJobs": past_jobs,
        "liveDuties": live,
        "journalBytes": path.stat().st_size,
        "seconds": round(seconds, 3),
    }


def _open(path: Path) -> Journal:
    return Journal.open(path, chain_id=1, marketplace=_OWNER, worker=_OWNER)


def _record(journal: Journal, number: int, *, is_open: bool) -> None:
    job_id = JobId(keccak(number.to_bytes(32)))
    params = a_job(nonce=number, prompts_digest=Digest(job_id), prompt_count=1)
    duty = Duty(
        job_id=job_id,
        round_number=1,
        place=0,
        seat_id=1,
        drawn_at=number,
        commit_deadline=number + 60,
    )
    outcome = Outcome(OutcomeStatus.OK, 96, job_id, Digest(job_id), bytes(32))
    journal.record_job(job_id, params, number)
    journal.record_duty(duty, number)
    journal.save_outcome(duty, outcome, bytes(_RESULTS_BYTES))
    if not is_open:
        journal.mark_published(duty)
        journal.close_job(job_id, number, now=number)
