"""The accepted outputs of a job, for its page."""

from __future__ import annotations

from typing import Any

from gateway.market_data.jobs import JobSummary
from gateway.receipts import ReceiptCache
from protocol.errors import MarketError
from protocol.market.types import JobState, OutcomeStatus

__all__ = ["MAX_OUTPUTS", "outputs_of"]

MAX_OUTPUTS = 100


def outputs_of(receipts: ReceiptCache, job: JobSummary) -> dict[str, Any]:
    """What the page lists of a job's outputs; out of its receipt, so verified.

    Args:
        receipts: Where receipts are made.
        job: The job.
    """
    if job.state is not JobState.ACCEPTED:
        return _none(
            "There are none yet." if not job.state.is_final else "There are none."
        )
    if job.outcome_status is not OutcomeStatus.OK:
        return _none("A quorum found that there can be none.")
    try:
        found = receipts.receipt(job.job_id)["outputs"]
    except MarketError as error:
        return _none(f"They cannot be had just now: {error}")
    shown = [
        {
            "index": f"{one['index']:,}",
            "text": one["output"]["text"],
            "tokens": f"{len(one['output']['ids']):,}",
            "finish": one["output"]["finish"],
        }
        for one in found[:MAX_OUTPUTS]
    ]
    return {"shown": shown, "more": max(0, len(found) - MAX_OUTPUTS), "problem": ""}


def _none(problem: str) -> dict[str, Any]:
    return {"shown": [], "more": 0, "problem": problem}
