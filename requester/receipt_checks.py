"""The steps by which a receipt is verified.

Every step returns what is known once it holds, and raises BadReceipt with the reason
otherwise. The order matters: later steps rely on what earlier ones established.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from protocol.chain.reader import MarketReader
from protocol.commitments import commitment
from protocol.digests import Digest, digest_to_cid
from protocol.documents import Output, ResultsDocument
from protocol.errors import BadDocument, BadReceipt
from protocol.market import (
    ZERO_ADDRESS,
    JobId,
    JobParams,
    Outcome,
    OutcomeStatus,
)
from protocol.output_tree import root_of_proof
from protocol.unixfs import file_digest
from requester.receipt_events import RECEIPT_EVENTS, from_hex, logs_of, params_of
from requester.receipt_format import ContentSection, Receipt
from requester.timeline import Timeline
from requester.transcript import transcript

__all__ = ["ALONE", "ON_CHAIN", "Case"]


@dataclass(frozen=True, slots=True)
class Case:
    """A receipt under examination.

    Attributes:
        receipt: Well-formed; nothing it says is believed yet.
        params: The job's parameters as stated.
        timeline: The job's events as stated.
    """

    receipt: Receipt
    params: JobParams
    timeline: Timeline

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Take up a well-formed receipt."""
        job_id = JobId(from_hex(receipt.job_id))
        timeline = Timeline.of(job_id, logs_of(receipt))
        return cls(receipt, params_of(receipt.params), timeline)

    @property
    def job_id(self) -> JobId:
        """The job as stated."""
        return self.timeline.job_id

    @property
    def outcome(self) -> Outcome:
        """The accepted outcome. Raises BadReceipt if nobody revealed it."""
        outcome = self.timeline.outcome
        if outcome is None:
            raise BadReceipt("no reveal has the accepted answer")
        return outcome


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise BadReceipt(reason)


# ---------------------------------------------------------------- without a chain


def _check_job_id(case: Case) -> str:
    receipt = case.receipt
    marketplace = to_checksum_address(receipt.marketplace)
    expected = case.params.job_id(receipt.chain_id, marketplace)
    _require(
        expected == case.job_id,
        f"chain, marketplace and params hash to 0x{expected.hex()}, "
        f"jobId says {receipt.job_id}",
    )
    _check_content("prompts", receipt.prompts, case.params.prompts_digest)
    return f"job {receipt.job_id} on chain {receipt.chain_id}"


def _check_committee(case: Case) -> str:
    drawn, size = case.receipt.drawn, case.params.redundancy
    _require(
        len(drawn.seat_ids) == size and len(drawn.workers) == size,
        f"{len(drawn.seat_ids)} seats and {len(drawn.workers)} workers for a "
        f"redundancy of {size}",
    )
    workers = [worker for worker in drawn.workers if worker != ZERO_ADDRESS]
    _require(len(set(workers)) == len(workers), "a worker holds two places")
    for place, (seat_id, worker) in enumerate(
        zip(drawn.seat_ids, drawn.workers, strict=True)
    ):
        is_vacant = seat_id == 0
        _require(
            is_vacant == (worker == ZERO_ADDRESS),
            f"place {place} has seat {seat_id} and worker {worker}",
        )
    return f"{len(workers)} workers drawn"


def _check_commitments(case: Case) -> str:
    receipt, members = case.receipt, case.receipt.drawn.workers
    committed: dict[int, bytes] = {}
    for entry in receipt.committed:
        _check_member(entry.place, entry.worker, members)
        _require(entry.place not in committed, f"place {entry.place} committed twice")
        committed[entry.place] = from_hex(entry.commitment)
    opened = set()
    for reveal in case.timeline.revealed:
        event = reveal.event
        _check_member(event.place, event.worker, members)
        _require(event.place not in opened, f"place {event.place} revealed twice")
        opened.add(event.place)
        expected = commitment(
            chain_id=receipt.chain_id,
            marketplace=to_checksum_address(receipt.marketplace),
            job_id=case.job_id,
            round_number=event.round,
            worker=event.worker,
            outcome=event.outcome,
            salt=event.salt,
        )
        _require(
            committed.get(event.place) == expected,
            f"outcome and salt of place {event.place} do not open its commitment",
        )
    return f"{len(opened)} of {len(committed)} commitments opened"


def _check_member(place: int, worker: str, members: tuple[str, ...]) -> None:
    is_member = place < len(members) and members[place] == worker
    _require(
        is_member and worker != ZERO_ADDRESS,
        f"{worker} does not hold place {place} of the committee",
    )


def _check_quorum(case: Case) -> str:
    answers = [entry.event.outcome.answer() for entry in case.timeline.revealed]
    votes = answers.count(case.outcome.answer())
    _require(
        votes >= case.params.quorum,
        f"{votes} workers gave the accepted answer, {case.params.quorum} are needed",
    )
    # One worker that had the prompts disproves that they could not be had.
    is_disputed = len(set(answers)) > 1
    _require(
        case.outcome.status != OutcomeStatus.INPUT_UNAVAILABLE or not is_disputed,
        "the prompts are said to be unavailable, but a worker had them",
    )
    return f"{votes} of {case.params.redundancy} workers agree"


def _check_transcript(case: Case) -> str:
    expected = transcript(case.timeline.round_word, case.timeline.members)
    _require(
        from_hex(case.receipt.settled.transcript) == expected,
        f"committee, commitments and reveals hash to 0x{expected.hex()}, "
        f"settled.transcript is {case.receipt.settled.transcript}",
    )
    return "the settlement saw the same committee and answers"


def _check_outputs(case: Case) -> str:
    receipt, outcome = case.receipt, case.outcome
    if outcome.status != OutcomeStatus.OK:
        has_none = receipt.results is None and not receipt.outputs
        _require(has_none, "outputs of an outcome that has none")
        return f"none: the accepted outcome is {outcome.status.name}"
    if receipt.results is None:
        raise BadReceipt("results is null, the accepted outcome has results")
    _check_content("results", receipt.results, outcome.results_digest)
    count = case.params.prompt_count
    _require(
        [section.index for section in receipt.outputs] == list(range(count)),
        f"not the outputs 0 to {count - 1}, each once and in order",
    )
    for section in receipt.outputs:
        siblings = [from_hex(node) for node in section.siblings]
        leaf = keccak(_canonical(section.index, section.output))
        root = root_of_proof(leaf, section.index, count, siblings)
        _require(
            root == outcome.results_root,
            f"output {section.index} is not under the accepted root",
        )
    _check_document(case, outcome)
    return f"{count} under the accepted root and digest"


def _check_document(case: Case, outcome: Outcome) -> None:
    outputs = [section.output for section in case.receipt.outputs]
    document = ResultsDocument.build(
        case.params.model_id, case.params.prompts_digest, outputs
    )
    try:
        digest = file_digest(document.to_bytes())
    except BadDocument as error:
        raise BadReceipt(f"the outputs make no results document: {error}") from error
    _require(
        digest == outcome.results_digest,
        f"the outputs make a document of digest 0x{digest.hex()}, accepted was "
        f"0x{outcome.results_digest.hex()}",
    )


def _canonical(index: int, output: Output) -> bytes:
    try:
        return output.to_bytes()
    except BadDocument as error:
        raise BadReceipt(f"output {index}: {error}") from error


def _check_content(name: str, section: ContentSection, expected: Digest) -> None:
    _require(
        from_hex(section.digest) == expected,
        f"{name}.digest is {section.digest}, 0x{expected.hex()} was expected",
    )
    cid = digest_to_cid(expected)
    _require(section.cid == cid, f"{name}.cid is {section.cid}, the digest makes {cid}")


def _check_money(case: Case) -> str:
    money, settled = case.receipt.money, case.receipt.settled
    for name, found, expected in (
        ("escrowed", money.escrowed, case.receipt.posted.escrowed),
        ("paid", money.paid, settled.paid),
        ("refunded", money.refunded, settled.refunded),
        ("fee", money.fee, settled.fee),
        ("slashed", money.slashed, sum(s.amount for s in money.seats_slashed)),
    ):
        _require(found == expected, f"{name} is {found}, the events say {expected}")
    payments = (*money.workers_paid, *money.bounties_paid)
    parts = sum(payment.amount for payment in payments)
    _require(parts == money.paid, f"the payments sum to {parts}, paid is {money.paid}")
    spent = money.paid + money.refunded + money.fee
    _require(
        spent == money.escrowed,
        f"paid, refunded and fee sum to {spent}, {money.escrowed} was escrowed",
    )
    _check_workers(case)
    return f"{spent} units escrowed, all accounted for"


def _check_workers(case: Case) -> None:
    answer = case.outcome.answer()
    reveals = [entry.event for entry in case.timeline.revealed]
    agreeing = {e.worker for e in reveals if e.outcome.answer() == answer}
    paid = [entry.address for entry in case.receipt.money.workers_paid]
    _require(len(set(paid)) == len(paid), "a worker was paid twice")
    _require(set(paid) <= agreeing, "a worker was paid that did not agree")
    slashed = {entry.worker for entry in case.receipt.money.seats_slashed}
    _require(not slashed & agreeing, "a worker was slashed that agreed")


ALONE: Mapping[str, Callable[[Case], str]] = {
    "job id": _check_job_id,
    "committee": _check_committee,
    "commitments": _check_commitments,
    "quorum": _check_quorum,
    "transcript": _check_transcript,
    "outputs": _check_outputs,
    "money": _check_money,
}
"""Steps that show that a receipt agrees with itself."""


# ---------------------------------------------------------------- on the chain


def _check_marketplace(case: Case, market: MarketReader) -> str:
    receipt, trusted = case.receipt, market.deployment.marketplace
    _require(
        receipt.chain_id == market.chain_id,
        f"the receipt is of chain {receipt.chain_id}, the RPC serves {market.chain_id}",
    )
    _require(
        receipt.marketplace == trusted,
        f"the receipt is of the marketplace {receipt.marketplace}, the deployment "
        f"file names {trusted}",
    )
    return f"marketplace {trusted}"


def _check_record(case: Case, market: MarketReader) -> str:
    recorded = from_hex(case.receipt.settled.transcript)
    _require(
        market.is_recorded(case.job_id, case.outcome, recorded),
        "the marketplace has not recorded this outcome with this transcript",
    )
    return "the marketplace recorded outcome and transcript"


def _check_events(case: Case, market: MarketReader) -> str:
    found = market.events(
        job_id=case.job_id,
        from_block=case.receipt.posted.block_number,
        kinds=RECEIPT_EVENTS,
    )
    claimed, actual = case.timeline.logs, set(found)
    for log in claimed:
        _require(
            log in actual,
            f"{type(log.event).__name__} is not at log {log.log_index} of block "
            f"{log.block_number} as stated",
        )
    missing = actual.difference(claimed)
    _require(
        not missing and len(claimed) == len(found),
        f"the chain has {len(found)} events of the job, the receipt {len(claimed)}",
    )
    return f"{len(claimed)} events are in the chain's logs"


ON_CHAIN: Mapping[str, Callable[[Case, MarketReader], str]] = {
    "marketplace": _check_marketplace,
    "record": _check_record,
    "events": _check_events,
}
"""Steps that show that the chain agrees with a receipt."""
