"""The demo's summary: pure arithmetic over a job's events, receipts and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devnet.demo.gas import JobTransaction, gas_by_phase
from protocol.hexadecimal import to_hex
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.types import ZERO_ADDRESS, JobState

__all__ = ["DemoCheck", "Evidence", "check_money", "check_worker", "summarize"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a summary is made of.

    Attributes:
        logs: The job's events, in the chain's order.
        block_times: Unix seconds of every block that holds one.
        transactions: The transactions that emitted them.
        inference_seconds: Computing time of each worker that computed, by address.
        setup_seconds: From the start to the network being ready.
        total_seconds: From the start to this evidence.
    """

    logs: Sequence[Log]
    block_times: Mapping[int, int]
    transactions: Sequence[JobTransaction]
    inference_seconds: Mapping[str, float]
    setup_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class DemoCheck:
    """Something that must be so for the demo to succeed."""

    name: str
    holds: bool
    fact: str


def summarize(evidence: Evidence) -> dict[str, Any]:
    """The summary as JSON; amounts are units of the escrow token.

    Raises:
        ValueError: There is no posting among the events.
    """
    logs = evidence.logs
    posted = next((log for log in logs if isinstance(log.event, JobPosted)), None)
    if posted is None or not isinstance(posted.event, JobPosted):
        raise ValueError("no JobPosted among the events")
    settled = _events(logs, JobSettled)
    cancelled = _events(logs, JobCancelled)
    ends = [*settled, *cancelled]
    gas = gas_by_phase(evidence.transactions)
    params = posted.event.params
    inference = max(evidence.inference_seconds.values(), default=None)
    return {
        "jobId": to_hex(posted.event.job_id),
        "modelId": to_hex(params.model_id),
        "requester": params.requester,
        "prompts": params.prompt_count,
        "redundancy": params.redundancy,
        "quorum": params.quorum,
        "maxTokens": params.max_tokens,
        "tokens": _accepted_tokens(logs),
        "state": _state(logs).label,
        "escrowed": posted.event.escrowed,
        "paid": sum(end.paid for end in settled),
        "refunded": sum(end.refunded for end in ends),
        "fees": sum(end.fee for end in settled),
        "slashed": sum(event.amount for event in _events(logs, SeatSlashed)),
        "workersPaid": _amounts(_events(logs, WorkerPaid), "worker"),
        "bountiesPaid": _amounts(_events(logs, BountyPaid), "caller"),
        "workersSlashed": [
            {"address": e.worker, "amount": e.amount, "reason": e.reason.name.lower()}
            for e in _events(logs, SeatSlashed)
        ],
        "committee": _committee(evidence, posted.block_number),
        "gasByPhase": gas,
        "gasTotal": sum(gas.values()),
        "blocksToResult": _blocks_to_result(logs, posted.block_number),
        "secondsByPhase": _seconds_by_phase(evidence),
        "inferenceSeconds": None if inference is None else round(inference, 3),
        "setupSeconds": round(evidence.setup_seconds, 3),
        "totalSeconds": round(evidence.total_seconds, 3),
    }


def check_money(
    summary: Mapping[str, Any], audit_faults: Sequence[str]
) -> list[DemoCheck]:
    """Whether a job was accepted and its money adds up.

    Args:
        summary: From `summarize`.
        audit_faults: From `books.audit`.
    """
    escrowed = summary["escrowed"]
    parts = [summary[name] for name in ("paid", "refunded", "fees")]
    given = [*summary["workersPaid"], *summary["bountiesPaid"]]
    handed = sum(entry["amount"] for entry in given)
    return [
        DemoCheck(
            "accepted", summary["state"] == JobState.ACCEPTED.label, summary["state"]
        ),
        DemoCheck(
            "escrowed = paid + refunded + fees",
            escrowed == sum(parts),
            f"{escrowed} = {' + '.join(map(str, parts))}",
        ),
        DemoCheck(
            "paid = workers + bounties",
            parts[0] == handed,
            f"{parts[0]} = {' + '.join(str(entry['amount']) for entry in given)}",
        ),
        DemoCheck(
            "events and balances agree",
            not audit_faults,
            "; ".join(audit_faults) or "every credit, bond and token is accounted for",
        ),
    ]


def check_worker(
    summary: Mapping[str, Any], liar: str | None, seat_bond: int, sink_credit: int
) -> list[DemoCheck]:
    """Whether the honest were paid, and the liar, if there is one, was slashed.

    Args:
        summary: From `summarize`.
        liar: Address of the worker that lied, if one was told to.
        seat_bond: What it had to lose.
        sink_credit: Credit of the sink after the job.
    """
    members = {member["worker"] for member in summary["committee"]}
    paid = {entry["address"] for entry in summary["workersPaid"]}
    slashed = [
        (entry["address"], entry["amount"], entry["reason"])
        for entry in summary["workersSlashed"]
    ]
    honest = members - {liar}
    checks = [
        DemoCheck(
            "the honest were paid, nobody else",
            paid == honest and len(honest) >= summary["quorum"],
            f"{len(paid)} paid of {len(members)} on the committee",
        )
    ]
    expected = [] if liar is None else [(liar, seat_bond, "wrong_result")]
    lost = "" if liar is None else ", the bond of the liar"
    checks.append(
        DemoCheck(
            "the sink has what was slashed" + lost,
            slashed == expected and sink_credit == summary["slashed"],
            f"{sink_credit} units in the sink, {summary['slashed']} slashed",
        )
    )
    return checks


def _committee(evidence: Evidence, posted_block: int) -> list[dict[str, Any]]:
    drawn = _events(evidence.logs, CommitteeDrawn)
    if not drawn:
        return []
    start = evidence.block_times[posted_block]
    commits = _moments(evidence, ResultCommitted, start)
    reveals = _moments(evidence, ResultRevealed, start)
    answers = {
        e.place: e.outcome.answer() for e in _events(evidence.logs, ResultRevealed)
    }
    accepted = {event.answer for event in _events(evidence.logs, ResultAccepted)}
    places = zip(drawn[-1].seat_ids, drawn[-1].workers, strict=True)
    return [
        {
            "place": place,
            "worker": worker,
            "seatId": seat_id,
            "committed": commits.get(place),
            "revealed": reveals.get(place),
            "agreed": answers.get(place) in accepted,
            "inferenceSeconds": evidence.inference_seconds.get(worker),
        }
        for place, (seat_id, worker) in enumerate(places)
        if worker != ZERO_ADDRESS
    ]


def _moments(
    evidence: Evidence, kind: type[ResultCommitted] | type[ResultRevealed], start: int
) -> dict[int, dict[str, Any]]:
    """Block, seconds after posting and transaction, by place."""
    return {
        log.event.place: {
            "block": log.block_number,
            "second": evidence.block_times[log.block_number] - start,
            "txHash": log.tx_hash,
        }
        for log in evidence.logs
        if isinstance(log.event, kind)
    }


def _seconds_by_phase(evidence: Evidence) -> dict[str, int]:
    """Chain time between the last events of consecutive phases."""
    kinds: Mapping[str, type[Event]] = {
        "draw": CommitteeDrawn,
        "commit": ResultCommitted,
        "reveal": ResultRevealed,
        "settle": JobSettled,
    }
    seconds = {}
    before = _last_time(evidence, JobPosted)
    for name, kind in kinds.items():
        now = _last_time(evidence, kind)
        if before is not None and now is not None:
            seconds[name] = now - before
            before = now
    return seconds


def _last_time(evidence: Evidence, kind: type[Event]) -> int | None:
    blocks = [log.block_number for log in evidence.logs if isinstance(log.event, kind)]
    return evidence.block_times[blocks[-1]] if blocks else None


def _blocks_to_result(logs: Sequence[Log], posted_block: int) -> int | None:
    accepted = [log for log in logs if isinstance(log.event, ResultAccepted)]
    return accepted[0].block_number - posted_block if accepted else None


def _accepted_tokens(logs: Sequence[Log]) -> int | None:
    accepted = {event.answer for event in _events(logs, ResultAccepted)}
    outcomes = (event.outcome for event in _events(logs, ResultRevealed))
    return next((o.token_count for o in outcomes if o.answer() in accepted), None)


def _state(logs: Sequence[Log]) -> JobState:
    if _events(logs, JobCancelled):
        return JobState.CANCELLED
    for event in _events(logs, JobSettled):
        return JobState(event.state)
    if _events(logs, ResultRevealed):
        return JobState.REVEALING
    return JobState.COMMITTING if _events(logs, CommitteeDrawn) else JobState.OPEN


def _amounts(events: Sequence[Any], who: str) -> list[dict[str, Any]]:
    return [{"address": getattr(e, who), "amount": e.amount} for e in events]


def _events(logs: Sequence[Log], kind: type[Any]) -> list[Any]:
    return [log.event for log in logs if isinstance(log.event, kind)]
