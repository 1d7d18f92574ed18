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

from protocol.digests import Digest, digest_to_cid
from protocol.documents.results import Output, ResultsDocument
from protocol.errors import BadDocument, BadReceipt
from protocol.hexadecimal import from_hex, to_hex
from protocol.market.commitments import commitment
from protocol.market.events import ResultRevealed
from protocol.market.output_tree import root_of_proof
from protocol.market.round_history import RoundHistory
from protocol.market.timeline import Timeline
from protocol.market.types import (
    ZERO_ADDRESS,
    JobId,
    JobParams,
    Outcome,
    OutcomeStatus,
)
from protocol.store.unixfs import file_digest
from requester.receipts.format import ContentSection, Receipt, RoundSection
from requester.receipts.sections import logs_of, params_of

__all__ = ["ALONE", "ReceiptCase", "require"]


@dataclass(frozen=True, slots=True)
class ReceiptCase:
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
    def votes(self) -> int:
        """Members of the last round that gave the accepted answer."""
        answers = [*self.timeline.rounds[-1].answers.values()]
        return answers.count(self.outcome.answer())

    @property
    def outcome(self) -> Outcome:
        """The accepted outcome. Raises BadReceipt if nobody revealed it."""
        outcome = self.timeline.outcome
        if outcome is None:
            raise BadReceipt("no reveal has the accepted answer")
        return outcome


def require(condition: bool, reason: str) -> None:
    """Raise BadReceipt with the reason unless the condition holds."""
    if not condition:
        raise BadReceipt(reason)


# ---------------------------------------------------------------- steps


def _check_job_id(case: ReceiptCase) -> str:
    receipt = case.receipt
    marketplace = to_checksum_address(receipt.marketplace)
    expected = case.params.job_id(receipt.chain_id, marketplace)
    require(
        expected == case.job_id,
        f"chain, marketplace and params hash to {to_hex(expected)}, "
        f"jobId says {receipt.job_id}",
    )
    _check_content("prompts", receipt.prompts, case.params.prompts_digest)
    return f"job {receipt.job_id} on chain {receipt.chain_id}"


def _check_committees(case: ReceiptCase) -> str:
    seen: set[str] = set()
    for number, one in enumerate(case.receipt.rounds, start=1):
        drawn, size = one.drawn, case.params.places_of(number)
        require(drawn.round == number, f"round {drawn.round} in place of {number}")
        require(number <= case.params.max_rounds, f"round {number} was not bought")
        require(
            len(drawn.seat_ids) == size and len(drawn.workers) == size,
            f"{len(drawn.seat_ids)} seats and {len(drawn.workers)} workers in round "
            f"{number}, which has {size} places",
        )
        for place, (seat_id, worker) in enumerate(
            zip(drawn.seat_ids, drawn.workers, strict=True)
        ):
            is_vacant = seat_id == 0
            require(
                is_vacant == (worker == ZERO_ADDRESS),
                f"place {place} has seat {seat_id} and worker {worker}",
            )
            require(worker not in seen, "a worker holds two places")
            seen |= {worker} - {ZERO_ADDRESS}
    return f"{len(seen)} workers drawn"


def _check_commitments(case: ReceiptCase) -> str:
    pairs = zip(case.receipt.rounds, case.timeline.rounds, strict=True)
    counts = [_check_round(case, section, one) for section, one in pairs]
    opened, committed = (sum(column) for column in zip(*counts, strict=True))
    return f"{opened} of {committed} commitments opened"


def _check_round(
    case: ReceiptCase, section: RoundSection, one: RoundHistory
) -> tuple[int, int]:
    """How many commitments of a round were opened, and how many there are."""
    receipt, members = case.receipt, section.drawn.workers
    committed: dict[int, bytes] = {}
    for entry in section.committed:
        _check_member(entry.place, entry.worker, members)
        require(entry.place not in committed, f"place {entry.place} committed twice")
        committed[entry.place] = from_hex(entry.commitment)
    opened = set()
    for reveal in one.revealed:
        event = reveal.event
        _check_member(event.place, event.worker, members)
        require(event.place not in opened, f"place {event.place} revealed twice")
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
        require(
            committed.get(event.place) == expected,
            f"outcome and salt of place {event.place} do not open its commitment",
        )
    return len(opened), len(committed)


def _check_member(place: int, worker: str, members: tuple[str, ...]) -> None:
    is_member = place < len(members) and members[place] == worker
    require(
        is_member and worker != ZERO_ADDRESS,
        f"{worker} does not hold place {place} of the committee",
    )


def _check_quorum(case: ReceiptCase) -> str:
    *earlier, last = case.timeline.rounds
    for one in earlier:
        require(
            not _has_quorum(case, one),
            f"round {one.number} reached a quorum, but another round follows",
        )
    answers = [*last.answers.values()]
    votes, needed = case.votes, case.params.quorum_of(last.number)
    require(
        votes >= needed,
        f"{votes} workers gave the accepted answer, {needed} are needed",
    )
    # One worker that had the prompts disproves that they could not be had.
    is_disputed = len(set(answers)) > 1 or any(map(_had_input, earlier))
    require(
        case.outcome.status != OutcomeStatus.INPUT_UNAVAILABLE or not is_disputed,
        "the prompts are said to be unavailable, but a worker had them",
    )
    places = case.params.places_of(last.number)
    return f"{votes} of {places} workers agree in round {last.number}"


def _has_quorum(case: ReceiptCase, one: RoundHistory) -> bool:
    answers = [
        entry.event.outcome.answer()
        for entry in one.revealed
        if _has_bytes(entry.event)
    ]
    most = max((answers.count(answer) for answer in answers), default=0)
    return most >= case.params.quorum_of(one.number)


def _had_input(one: RoundHistory) -> bool:
    return any(_has_bytes(entry.event) for entry in one.revealed)


def _has_bytes(event: ResultRevealed) -> bool:
    return event.outcome.status != OutcomeStatus.INPUT_UNAVAILABLE


def _check_transcript(case: ReceiptCase) -> str:
    earlier = bytes(32)
    pairs = zip(case.receipt.rounds, case.timeline.rounds, strict=True)
    for number, (section, one) in enumerate(pairs, start=1):
        is_last = number == len(case.receipt.rounds)
        require(
            is_last == (section.split is None),
            f"split of round {number} does not fit the number of rounds",
        )
        earlier = one.transcript(earlier)
        stated = section.split or case.receipt.settled
        require(
            from_hex(stated.transcript) == earlier,
            f"committee, commitments and reveals of round {number} hash to "
            f"{to_hex(earlier)}, its transcript is {stated.transcript}",
        )
    return "the settlement saw the same committees and answers"


def _check_outputs(case: ReceiptCase) -> str:
    receipt, outcome = case.receipt, case.outcome
    if outcome.status != OutcomeStatus.OK:
        has_none = receipt.results is None and not receipt.outputs
        require(has_none, "outputs of an outcome that has none")
        return f"none: the accepted outcome is {outcome.status.name}"
    if receipt.results is None:
        raise BadReceipt("results is null, the accepted outcome has results")
    _check_content("results", receipt.results, outcome.results_digest)
    count = case.params.prompt_count
    indices = [section.index for section in receipt.outputs]
    is_ordered = indices == sorted(set(indices)) and bool(indices)
    require(
        is_ordered and indices[-1] < count,
        f"not some of the outputs 0 to {count - 1}, each once and in order",
    )
    for section in receipt.outputs:
        siblings = [from_hex(node) for node in section.siblings]
        leaf = keccak(_canonical(section.index, section.output))
        root = root_of_proof(leaf, section.index, count, siblings)
        require(
            root == outcome.results_root,
            f"output {section.index} is not under the accepted root",
        )
    if len(indices) < count:
        return f"{len(indices)} of {count} under the accepted root"
    _check_document(case, outcome)
    return f"{count} under the accepted root and digest"


def _check_document(case: ReceiptCase, outcome: Outcome) -> None:
    outputs = [section.output for section in case.receipt.outputs]
    document = ResultsDocument.build(
        case.params.model_id, case.params.prompts_digest, outputs
    )
    try:
        digest = file_digest(document.to_bytes())
    except BadDocument as error:
        raise BadReceipt(f"the outputs make no results document: {error}") from error
    require(
        digest == outcome.results_digest,
        f"the outputs make a document of digest {to_hex(digest)}, accepted was "
        f"{to_hex(outcome.results_digest)}",
    )


def _canonical(index: int, output: Output) -> bytes:
    try:
        return output.to_bytes()
    except BadDocument as error:
        raise BadReceipt(f"output {index}: {error}") from error


def _check_content(name: str, section: ContentSection, expected: Digest) -> None:
    require(
        from_hex(section.digest) == expected,
        f"{name}.digest is {section.digest}, {to_hex(expected)} was expected",
    )
    cid = digest_to_cid(expected)
    require(section.cid == cid, f"{name}.cid is {section.cid}, the digest makes {cid}")


# ---------------------------------------------------------------- money


def _check_money(case: ReceiptCase) -> str:
    money, settled = case.receipt.money, case.receipt.settled
    for name, found, expected in (
        ("escrowed", money.escrowed, case.receipt.posted.escrowed),
        ("paid", money.paid, settled.paid),
        ("refunded", money.refunded, settled.refunded),
        ("fee", money.fee, settled.fee),
        ("slashed", money.slashed, sum(s.amount for s in money.seats_slashed)),
    ):
        require(found == expected, f"{name} is {found}, the events say {expected}")
    payments = (*money.workers_paid, *money.bounties_paid)
    parts = sum(payment.amount for payment in payments) + money.delivery
    require(parts == money.paid, f"the payments sum to {parts}, paid is {money.paid}")
    require(
        case.params.has_callback or money.delivery == 0,
        f"{money.delivery} units wait for a delivery, but there is no callback",
    )
    spent = money.paid + money.refunded + money.fee
    require(
        spent == money.escrowed,
        f"paid, refunded and fee sum to {spent}, {money.escrowed} was escrowed",
    )
    _check_workers(case)
    return f"{spent} units escrowed, all accounted for"


def _check_workers(case: ReceiptCase) -> None:
    answer = case.outcome.answer()
    answers = {
        worker: given
        for one in case.timeline.rounds
        for worker, given in one.answers.items()
    }
    agreeing = {worker for worker, given in answers.items() if given == answer}
    payable = agreeing | _released(case)
    paid = [entry.address for entry in case.receipt.money.workers_paid]
    require(len(set(paid)) == len(paid), "a worker was paid twice")
    require(set(paid) <= payable, "a worker was paid that did not agree")
    slashed = {entry.worker for entry in case.receipt.money.seats_slashed}
    require(not slashed & payable, "a worker was slashed that agreed")


def _released(case: ReceiptCase) -> set[str]:
    """Who answered otherwise in an earlier round, and is not judged for it.

    A later round could copy, so it takes two thirds of its places to condemn.
    """
    *earlier, last = case.timeline.rounds
    if 3 * case.votes >= 2 * case.params.places_of(last.number):
        return set()
    return {
        entry.event.worker
        for one in earlier
        for entry in one.revealed
        if entry.event.outcome.status == OutcomeStatus.OK
    }


ALONE: Mapping[str, Callable[[ReceiptCase], str]] = {
    "job id": _check_job_id,
    "committees": _check_committees,
    "commitments": _check_commitments,
    "quorum": _check_quorum,
    "transcript": _check_transcript,
    "outputs": _check_outputs,
    "money": _check_money,
}
"""Steps that show that a receipt agrees with itself."""
