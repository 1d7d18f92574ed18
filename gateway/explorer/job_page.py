"""What a job's page shows: its timeline, committees, money and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.explorer.market_pages import card
from gateway.explorer.words import Moment, job_state, seconds, verdict, whole
from gateway.market_data.histories import (
    Flow,
    FlowKind,
    JobHistory,
    MemberView,
    RoundView,
)
from gateway.market_data.jobs import JobSummary
from protocol.amounts import Amounts
from protocol.digests import digest_to_cid
from protocol.hexadecimal import to_hex
from protocol.market.sentences import sentence_of
from protocol.market.timeline import Timeline
from protocol.market.types import JobState

__all__ = ["job_page"]

_EXPLANATIONS = {
    JobState.OPEN: "its committee is not drawn yet",
    JobState.COMMITTING: "its committee computes and commits",
    JobState.REVEALING: "its committee reveals",
    JobState.ACCEPTED: "a majority of its committee gave the same answer",
    JobState.FAILED: "no answer was accepted; what was not earned went back",
    JobState.CANCELLED: "its requester withdrew it",
}


def job_page(history: JobHistory, amounts: Amounts, receipts: str) -> dict[str, Any]:
    """Everything but the outputs, which must be fetched.

    Args:
        history: The job's history.
        amounts: How to write amounts.
        receipts: Address that receipts are under.
    """
    job = history.summary
    job_id = to_hex(job.job_id)
    is_accepted = job.state is JobState.ACCEPTED
    return {
        "job": {
            "job_id": job_id,
            "state": job_state(job.state),
            "explanation": _EXPLANATIONS[job.state],
            "receipt_url": f"{receipts}/{job_id}" if is_accepted else None,
        },
        "cards": _cards(job, history.gas_used, amounts),
        "steps": list(_steps(history.timeline, amounts)),
        "rounds": [_round(one, job, amounts) for one in history.rounds if one.members],
        "money": _money(history, amounts),
    }


def _cards(job: JobSummary, gas: int | None, amounts: Amounts) -> list[dict[str, str]]:
    results = job.results_digest
    return [
        card("Prompts", whole(job.prompt_count), digest_to_cid(job.prompts_digest)),
        card(
            "Tokens",
            "–" if job.token_count is None else whole(job.token_count),
            digest_to_cid(results) if results and any(results) else "",
        ),
        card("Workers", whole(job.redundancy), f"rounds bought: {job.max_rounds}"),
        card("Escrow", amounts.text(job.escrowed), f"price tick {job.tick}"),
        card("Time", seconds(job.seconds), "post to settlement"),
        card("Gas", "–" if gas is None else whole(gas), "its share of all calls"),
    ]


# ---------------------------------------------------------------- timeline


def _steps(timeline: Timeline, amounts: Amounts) -> Iterator[dict[str, Any]]:
    for log in timeline.logs:
        sentence = sentence_of(log.event, amounts)
        if sentence is not None:
            details = (*sentence.details, ("Transaction", log.tx_hash))
            yield {
                "at": Moment.at(log.block_time or 0),
                "block": whole(log.block_number),
                "subject": sentence.subject,
                "text": sentence.text,
                "objects": sentence.objects,
                "lines": [
                    {"label": label, "value": value, "is_code": value.startswith("0x")}
                    for label, value in details
                ],
            }


# ---------------------------------------------------------------- tables


def _round(one: RoundView, job: JobSummary, amounts: Amounts) -> dict[str, Any]:
    places = len(one.members)
    return {
        "number": one.number,
        "explanation": (
            f"{places} places drawn with the randomness of block {one.seed_block:,}; "
            f"{places // 2 + 1} equal answers are a quorum."
        ),
        "members": [_member(member, amounts) for member in one.members],
    }


def _member(member: MemberView, amounts: Amounts) -> dict[str, Any]:
    return {
        "place": member.place,
        "worker": member.worker,
        "seat_id": member.seat_id,
        "commitment": member.commitment and to_hex(member.commitment),
        "committed": Moment.at(member.committed_at),
        "answer": member.answer and to_hex(member.answer),
        "revealed": Moment.at(member.revealed_at),
        "verdict": verdict(member.verdict),
        "earned": amounts.text(member.earned),
        "slashed": amounts.text(member.slashed),
    }


_FLOWS = {
    FlowKind.ESCROW: ("Locked in escrow", ""),
    FlowKind.PAY: ("Pay", ""),
    FlowKind.BOUNTY: ("Bounty", ""),
    FlowKind.FEE: ("Protocol fee", "the treasury"),
    FlowKind.REFUND: ("Refund", ""),
    FlowKind.SLASH: ("Bond slashed", ""),
}


def _money(history: JobHistory, amounts: Amounts) -> dict[str, Any]:
    job = history.summary
    caption = "Where the escrow went; a slashed bond is no part of it"
    if job.paid is not None:
        parts = (job.paid, job.refunded or 0, job.fee or 0)
        paid, refunded, fee = map(amounts.text, parts)
        total = amounts.text(job.escrowed)
        caption = f"{total} = {paid} paid + {refunded} refunded + {fee} fee"
    return {"caption": caption, "rows": list(_flows(history.flows, amounts))}


def _flows(flows: tuple[Flow, ...], amounts: Amounts) -> Iterator[dict[str, Any]]:
    for flow in flows:
        label, note = _FLOWS[flow.kind]
        yield {
            "label": label,
            "account": flow.account,
            "note": note,
            "amount": amounts.text(flow.amount),
        }
