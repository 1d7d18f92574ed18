"""The step of a receipt's verification that counts the money."""

from __future__ import annotations

from protocol.market.types import OutcomeStatus
from requester.receipts.case import ReceiptCase, require

__all__ = ["check_money"]


def check_money(case: ReceiptCase) -> str:
    """See that every unit is accounted for and went to who earned it."""
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
