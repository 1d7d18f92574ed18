"""Books and checks of a demo, from events: they hold, and a wrong sum shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from devnet.demo.audit import DemoCheck, check_money, check_worker, keep_books
from protocol.market.events import (
    BountyPaid,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    ResultDelivered,
    SeatClosed,
    SeatOpened,
    SeatSlashed,
    StakeDeposited,
    Withdrawn,
    WorkerPaid,
)
from protocol.market.timeline import Timeline
from protocol.market.types import JobState, SlashReason
from tests.unit.devnet.demo.builders import (
    BOND,
    BOUNTY,
    CONFIG,
    ESCROWED,
    JOB,
    MODEL,
    PARAMS,
    PAY,
    REQUESTER,
    SINK,
    TREASURY,
    WORKERS,
    address,
    an_accepted_job,
    logs_of,
    seats_opened,
)

FEE = (3 * PAY + BOUNTY) // 100


def test_keep_books_accepted_job_balances_to_the_unit() -> None:
    books = keep_books(logs_of([*seats_opened(), *an_accepted_job()]), CONFIG)
    assert books.faults == []
    assert books.credit[TREASURY] == FEE
    assert [books.credit[worker] for worker in WORKERS] == [PAY] * 3
    # The bounty of the draw and what was not used.
    assert books.credit[REQUESTER] == ESCROWED - 3 * PAY - FEE
    assert books.escrow == {}
    assert books.tokens == books.owed == 3 * BOND + ESCROWED


def test_keep_books_liar_slashed_bond_is_in_the_sink() -> None:
    books = keep_books(logs_of([*seats_opened(), *an_accepted_job(liar=1)]), CONFIG)
    assert books.faults == []
    assert books.credit[SINK] == BOND
    assert books.credit[WORKERS[1]] == 0
    assert set(books.bonds) == {1, 3}


def test_keep_books_no_show_returns_the_rest_of_the_bond() -> None:
    penalty = BOND // 10
    events = [
        SeatSlashed(JOB, WORKERS[0], 1, SlashReason.NO_SHOW, penalty),
        SeatClosed(1, WORKERS[0], BOND - penalty),
    ]
    books = keep_books(logs_of([*seats_opened(1), events]), CONFIG)
    assert books.faults == []
    assert books.credit[WORKERS[0]] == BOND - penalty
    assert books.credit[SINK] == penalty


def test_keep_books_posting_takes_credit_before_tokens() -> None:
    posted = JobPosted(JOB, REQUESTER, MODEL, PARAMS, ESCROWED)
    deposited = StakeDeposited(REQUESTER, ESCROWED - 1)
    books = keep_books(logs_of([[deposited, posted]]), CONFIG)
    assert books.credit[REQUESTER] == 0
    assert books.tokens == ESCROWED
    assert books.faults == []


def test_keep_books_cancelled_job_returns_everything() -> None:
    posted = JobPosted(JOB, REQUESTER, MODEL, PARAMS, ESCROWED)
    books = keep_books(logs_of([[posted, JobCancelled(JOB, ESCROWED)]]), CONFIG)
    assert books.credit[REQUESTER] == ESCROWED
    assert books.faults == []


def test_keep_books_delivery_is_paid_after_the_end() -> None:
    params = replace(PARAMS, callback=address(0xCA), callback_gas_limit=1)
    keeper, refunded = address(9), ESCROWED - BOUNTY
    events: list[Event] = [
        JobPosted(JOB, REQUESTER, MODEL, params, ESCROWED),
        JobSettled(JOB, JobState.FAILED, BOUNTY, refunded, 0, bytes(32)),
    ]
    waiting = keep_books(logs_of([events]), CONFIG)
    assert waiting.faults == []
    assert (waiting.escrow, waiting.owed) == ({JOB: BOUNTY}, ESCROWED)
    paid = [BountyPaid(JOB, keeper, BOUNTY), ResultDelivered(JOB, address(0xCA), True)]
    books = keep_books(logs_of([events, paid]), CONFIG)
    assert books.faults == []
    assert books.credit[keeper] == BOUNTY
    assert (sum(books.escrow.values()), books.owed) == (0, ESCROWED)


def test_keep_books_withdrawal_leaves_the_market() -> None:
    events: list[Event] = [
        StakeDeposited(REQUESTER, 70),
        Withdrawn(REQUESTER, address(5), 30),
    ]
    books = keep_books(logs_of([events]), CONFIG)
    assert (books.tokens, books.credit[REQUESTER]) == (40, 40)


@pytest.mark.parametrize(
    ("kind", "field", "fault"),
    [
        (WorkerPaid, "amount", "workers and callers got"),
        (JobSettled, "refunded", "1 units are missing"),
        (JobSettled, "fee", "1 units are missing"),
        (JobSettled, "paid", "units were paid"),
        (JobPosted, "escrowed", "1 units are missing"),
    ],
)
def test_keep_books_one_unit_off_is_found(
    kind: type[Event], field: str, fault: str
) -> None:
    logs = logs_of([*seats_opened(), *an_accepted_job()])
    index = next(i for i, log in enumerate(logs) if isinstance(log.event, kind))
    value = getattr(logs[index].event, field)
    altered = replace(logs[index].event, **{field: value + 1})
    logs[index] = replace(logs[index], event=altered)
    faults = keep_books(logs, CONFIG).faults
    assert any(fault in found for found in faults), faults


def test_keep_books_bond_not_returned_is_found() -> None:
    events: list[Event] = [
        StakeDeposited(WORKERS[0], BOND),
        SeatOpened(1, WORKERS[0], MODEL, 0),
        SeatClosed(1, WORKERS[0], BOND - 1),
    ]
    faults = keep_books(logs_of([events]), CONFIG).faults
    assert any("seat 1 closed" in fault for fault in faults)


# ---------------------------------------------------------------- the demo's job


def a_job(liar: int | None = None) -> Timeline:
    return Timeline.of(JOB, logs_of(an_accepted_job(liar=liar)))


def failed(checks: Sequence[DemoCheck]) -> set[str]:
    return {check.name for check in checks if not check.holds}


def settled_otherwise(job: Timeline, **changes: object) -> Timeline:
    assert job.settled is not None
    event = replace(job.settled.event, **changes)  # type: ignore[arg-type]
    return replace(job, settled=replace(job.settled, event=event))


def test_check_money_accepted_job_holds() -> None:
    assert failed(check_money(a_job(), [])) == set()


@pytest.mark.parametrize(
    ("alter", "name"),
    [
        (lambda job: settled_otherwise(job, state=JobState.FAILED), "accepted"),
        (
            lambda job: settled_otherwise(job, refunded=0),
            "escrowed = paid + refunded + fees",
        ),
        (lambda job: replace(job, workers_paid=()), "paid = workers + bounties"),
    ],
)
def test_check_money_altered_job_fails(
    alter: Callable[[Timeline], Timeline], name: str
) -> None:
    assert failed(check_money(alter(a_job()), [])) == {name}


def test_check_money_audit_fault_fails_with_its_words() -> None:
    checks = check_money(a_job(), ["a unit is missing"])
    (fault,) = [check for check in checks if not check.holds]
    assert fault.fact == "a unit is missing"


def test_check_worker_liar_slashed_holds() -> None:
    assert failed(check_worker(a_job(liar=1), WORKERS[1], BOND, BOND)) == set()


def test_check_worker_liar_got_away_fails() -> None:
    assert len(failed(check_worker(a_job(), WORKERS[1], BOND, 0))) == 2


def test_check_worker_honest_worker_slashed_fails() -> None:
    assert len(failed(check_worker(a_job(liar=1), None, BOND, BOND))) == 2


def test_check_worker_bond_went_elsewhere_fails() -> None:
    checks = check_worker(a_job(liar=1), WORKERS[1], BOND, BOND - 1)
    assert failed(checks) == {"the sink has what was slashed, the bond of the liar"}
