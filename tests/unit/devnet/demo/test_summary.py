"""The demo's summary: its keys, its sums, its times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devnet.demo.gas import JobTransaction, transactions_of
from devnet.demo.summary import Evidence, summarize
from protocol.market.events import Event
from protocol.market.timeline import Timeline
from tests.unit.devnet.demo.builders import (
    BOUNTY,
    ESCROWED,
    JOB,
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
        job=Timeline.of(JOB, logs),
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
    return summarize(evidence_of(an_accepted_job(liar=liar)))


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
