"""Making a receipt: what shows that a job's outputs are what a quorum answered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from protocol.digests import Digest, digest_to_cid
from protocol.documents.results import ResultsDocument
from protocol.errors import RequestError
from protocol.hexadecimal import to_hex
from protocol.market.output_tree import output_proofs
from protocol.market.timeline import Timeline
from protocol.market.types import JobState, OutcomeStatus
from requester.jobs.job import Job
from requester.receipts.format import (
    RECEIPT_VERSION,
    ContentSection,
    OutputSection,
    Receipt,
)
from requester.receipts.proof import proof_section
from requester.receipts.sections import ordered_logs, sections_of

__all__ = ["build"]


def build(job: Job, outputs: Collection[int] | None = None) -> dict[str, Any]:
    """Makes the receipt of an accepted job.

    Args:
        job: A job that was settled as Accepted.
        outputs: Indices of the outputs to show; all of them if None.

    Returns:
        The receipt as a JSON value.

    Raises:
        RequestError: It was not; there is nothing to prove, or not yet. Or it has no
            such output, or spans too many blocks.
        StoreError: The results cannot be had.
        BadDocument: They do not fit what was accepted.
    """
    timeline = job.timeline()
    outcome = timeline.outcome
    if timeline.state != JobState.ACCEPTED or outcome is None:
        state = timeline.state.label
        raise RequestError(
            f"job {to_hex(job.job_id)} is {state}; a receipt needs a settled job that "
            "was Accepted"
            + ("" if timeline.state.is_final else ": wait until it is settled")
        )
    document = None
    if outcome.status == OutcomeStatus.OK:
        document = job.results().document
    receipt = Receipt(
        version=RECEIPT_VERSION,
        chain_id=job.chain_id,
        marketplace=job.marketplace,
        prompts=_content(job.params.prompts_digest),
        results=_content(outcome.results_digest) if document else None,
        outputs=_outputs(document, outputs) if document else (),
        proof=proof_section(job.prove(timeline)),
        **sections_of(Timeline.of(job.job_id, ordered_logs(timeline.logs))),
    )
    value: dict[str, Any] = receipt.model_dump(mode="json", by_alias=True)
    return value


def _content(digest: Digest) -> ContentSection:
    return ContentSection(digest=to_hex(digest), cid=digest_to_cid(digest))


def _outputs(
    document: ResultsDocument, wanted: Collection[int] | None
) -> tuple[OutputSection, ...]:
    count = len(document.outputs)
    chosen = range(count) if wanted is None else sorted(set(wanted))
    if not chosen or chosen[0] < 0 or chosen[-1] >= count:
        raise RequestError(f"outputs {list(chosen)} are not some of 0 to {count - 1}")
    proofs = output_proofs([output.hash() for output in document.outputs])
    return tuple(
        OutputSection(
            index=index,
            output=document.outputs[index],
            siblings=tuple(map(to_hex, proofs[index])),
        )
        for index in chosen
    )
