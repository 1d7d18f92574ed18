"""The demo's summary: its keys, its sums, and what must hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from devnet.demo.gas import JobTransaction, transactions_of
from devnet.demo.summary import (
    DemoCheck,
    Evidence,
    check_money,
    check_worker,
    summarize,
)
from protocol.market.events import Event
from tests.unit.devnet.demo.builders import (
    BOND,
    BOUNTY,
    ESCROWED,
    PAY,
    REQUESTER,
    WORKERS,
    an_accepted_job,
    logs_of,
)

GAS = 1000
PROMISED_KEYS = {
    "prompts",
    "redundancy",
    "quorum",
    "state",
    "escrowed",
    "paid",
    "refunded",
    "fees",
    "slashed",
    "workersPaid",
    "gasByPhase",
    "gasTotal",
    "blocksToResult",
    "inferenceSeconds",
    "totalSeconds",
}


def evidence_of(blocks: Sequence[Sequence[Event]]) -> Evidence:
    logs = logs_of(blocks)
    return Evidence(
        logs=logs,
        block_times={100 + i: 5000 + 2 * i for i in range(len(blocks))},
        transactions=[
            JobTransaction(tx_hash, GAS, kinds)
            for tx_hash, kinds in transactions_of(logs).items()
        ],
        inference_seconds={WORKERS[0]: 1.5, WORKERS[1]: 2.25},
        setup_seconds=12.3456,
        total_seconds=33.3333,
    )


def a_summary(liar: int | None = None) -> dict[str, Any]:
    return {**summarize(evidence_of(an_accepted_job(liar=liar))), "liar": None}


def failed(checks: Sequence[DemoCheck]) -> set[str]:
    return {check.name for check in checks if not check.holds}


def test_summarize_accepted_job_has_every_promised_key() -> None:
    assert set(a_summary()) >= PROMISED_KEYS


def test_summarize_accepted_job_adds_up() -> None:
    summary = a_summary()
    assert summary["state"] == "Accepted"
    assert summary["escrowed"] == ESCROWED
    assert summary["paid"] == 3 * PAY + BOUNTY
    assert summary["workersPaid"] == [
        {"address": worker, "amount": PAY} for worker in WORKERS
    ]
    assert summary["bountiesPaid"] == [{"address": REQUESTER, "amount": BOUNTY}]
    parts = summary["paid"] + summary["refunded"] + summary["fees"]
    assert parts == summary["escrowed"]
    assert (summary["prompts"], summary["redundancy"], summary["quorum"]) == (8, 3, 2)
    assert summary["gasTotal"] == 8 * GAS == sum(summary["gasByPhase"].values())


def test_summarize_times_come_from_blocks_and_workers() -> None:
    summary = a_summary()
    assert summary["blocksToResult"] == 7
    assert summary["inferenceSeconds"] == 2.25
    assert summary["totalSeconds"] == 33.333
    assert summary["secondsByPhase"] == {
        "draw": 4,
        "commit": 8,
        "reveal": 4,
        "settle": 0,
    }


def test_summarize_committee_says_who_did_what_when() -> None:
    first = a_summary(liar=2)["committee"][0]
    liar = a_summary(liar=2)["committee"][2]
    assert first["worker"] == WORKERS[0]
    assert (first["committed"]["block"], first["committed"]["second"]) == (105, 10)
    assert (first["revealed"]["block"], first["revealed"]["second"]) == (107, 14)
    assert first["agreed"] is True
    assert liar["agreed"] is False


def test_summarize_job_just_drawn_has_no_result_yet() -> None:
    summary = summarize(evidence_of(an_accepted_job()[:3]))
    assert summary["state"] == "Committing"
    assert summary["blocksToResult"] is None
    assert summary["committee"][0]["committed"] is None


def test_summarize_without_posting_raises() -> None:
    with pytest.raises(ValueError, match="no JobPosted"):
        summarize(evidence_of([[]]))


def test_check_money_accepted_job_holds() -> None:
    assert failed(check_money(a_summary(), [])) == set()


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("state", "Failed", "accepted"),
        ("refunded", 0, "escrowed = paid + refunded + fees"),
        ("workersPaid", [], "paid = workers + bounties"),
    ],
)
def test_check_money_altered_summary_fails(key: str, value: object, name: str) -> None:
    assert name in failed(check_money({**a_summary(), key: value}, []))


def test_check_money_audit_fault_fails_with_its_words() -> None:
    checks = check_money(a_summary(), ["a unit is missing"])
    (fault,) = [check for check in checks if not check.holds]
    assert fault.fact == "a unit is missing"


def test_check_worker_liar_slashed_holds() -> None:
    summary = a_summary(liar=1)
    assert failed(check_worker(summary, WORKERS[1], BOND, BOND)) == set()


def test_check_worker_liar_got_away_fails() -> None:
    checks = check_worker(a_summary(), WORKERS[1], BOND, 0)
    assert len(failed(checks)) == 2


def test_check_worker_honest_worker_slashed_fails() -> None:
    checks = check_worker(a_summary(liar=1), None, BOND, BOND)
    assert len(failed(checks)) == 2


def test_check_worker_bond_went_elsewhere_fails() -> None:
    checks = check_worker(a_summary(liar=1), WORKERS[1], BOND, BOND - 1)
    assert failed(checks) == {
        "the sink has what was slashed, the bond of the liar",
    }
