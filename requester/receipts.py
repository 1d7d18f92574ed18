"""Receipts: what shows that a job's outputs are what a quorum answered.

`build` makes one of an accepted job. `verify` checks one and believes nothing in it:
first that it agrees with itself, which needs nothing else, then that the chain agrees.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from protocol.chain.reader import MarketReader
from protocol.digests import Digest, digest_to_cid
from protocol.documents import ResultsDocument
from protocol.errors import BadReceipt, RequestError
from protocol.market import JobState, OutcomeStatus
from protocol.output_tree import output_proofs
from requester.job import Job
from requester.receipt_case import Case
from requester.receipt_checks import ALONE, ON_CHAIN
from requester.receipt_events import sections_of, to_hex
from requester.receipt_format import (
    RECEIPT_VERSION,
    ContentSection,
    OutputSection,
    Receipt,
)
from requester.strict_json import parse_json

__all__ = ["Check", "build", "check_alone", "read_receipt", "verify"]

# Receipt, outputs, one of them, its output, its ids; some room for what is refused.
_MAX_DEPTH = 8
_MAX_FILE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Check:
    """A step of the verification that held.

    Attributes:
        step: Its name, as a failure would state it.
        fact: What is known now.
    """

    step: str
    fact: str


# ---------------------------------------------------------------- building


def build(job: Job) -> dict[str, Any]:
    """Makes the receipt of an accepted job, with all of its outputs.

    Args:
        job: A job that was settled as Accepted.

    Returns:
        The receipt as a JSON value.

    Raises:
        RequestError: It was not; there is nothing to prove, or not yet.
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
        outputs=_outputs(document) if document else (),
        **sections_of(timeline),
    )
    value: dict[str, Any] = receipt.model_dump(mode="json", by_alias=True)
    return value


def _content(digest: Digest) -> ContentSection:
    return ContentSection(digest=to_hex(digest), cid=digest_to_cid(digest))


def _outputs(document: ResultsDocument) -> tuple[OutputSection, ...]:
    proofs = output_proofs([output.hash() for output in document.outputs])
    pairs = zip(document.outputs, proofs, strict=True)
    return tuple(
        OutputSection(index=index, output=output, siblings=tuple(map(to_hex, proof)))
        for index, (output, proof) in enumerate(pairs)
    )


def read_receipt(path: Path) -> dict[str, Any]:
    """Reads a receipt file.

    Raises:
        RequestError: It cannot be read.
        BadReceipt: It is no JSON object, or states a field twice.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RequestError(
            f"receipt {path} cannot be read: {error.strerror}; check the path"
        ) from error
    if len(data) > _MAX_FILE_BYTES:
        raise BadReceipt(f"shape: {path} has more than {_MAX_FILE_BYTES} bytes")
    try:
        value = parse_json(data.decode("utf-8"), max_depth=_MAX_DEPTH)
    except ValueError as error:
        raise BadReceipt(f"shape: {path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadReceipt(f"shape: {path} holds no JSON object")
    return value


# ---------------------------------------------------------------- verifying


def verify(receipt: Mapping[str, Any], market: MarketReader) -> list[Check]:
    """Checks a receipt by itself and against the chain.

    Args:
        receipt: As `build` made it or `read_receipt` read it.
        market: The marketplace that is trusted to judge: the one in the receipt must be
            this one.

    Returns:
        The steps that held, all of them.

    Raises:
        BadReceipt: A step failed; the message begins with its name.
        RpcUnavailable: The chain could not be asked.
    """
    case = _parse(receipt)
    checks = _check_alone(case)
    for step, check in ON_CHAIN.items():
        with _naming(step):
            checks.append(Check(step, check(case, market)))
    return checks


def check_alone(receipt: Mapping[str, Any]) -> list[Check]:
    """The steps of `verify` that need no chain: whether a receipt agrees with itself.

    A forger can make a receipt that does. Raises BadReceipt.
    """
    return _check_alone(_parse(receipt))


def _check_alone(case: Case) -> list[Check]:
    checks = [Check("shape", f"a receipt of version {RECEIPT_VERSION}")]
    for step, check in ALONE.items():
        with _naming(step):
            checks.append(Check(step, check(case)))
    return checks


def _parse(value: Mapping[str, Any]) -> Case:
    try:
        receipt = Receipt.model_validate_json(json.dumps(value, allow_nan=False))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in fault["loc"]) or "receipt"
        raise BadReceipt(f"shape: {where}: {fault['msg']}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise BadReceipt(f"shape: not a JSON value: {error}") from error
    return Case.of(receipt)


@contextmanager
def _naming(step: str) -> Iterator[None]:
    try:
        yield
    except BadReceipt as error:
        raise BadReceipt(f"{step}: {error}; do not rely on this receipt") from error
