"""What a job's page shows: its timeline, committees, money and outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    JobCancelled,
    JobPosted,
    JobSettled,
    Log,
    ResultAccepted,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
    SeatSlashed,
    WorkerPaid,
)
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
        history: The job's story.
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
        "steps": [_step(log, amounts) for log in history.timeline.logs],
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


def _step(log: Log, amounts: Amounts) -> dict[str, Any]:
    title, account, lines = _told(log, amounts)
    return {
        "at": Moment.at(log.block_time or 0),
        "block": whole(log.block_number),
        "title": title,
        "account": account,
        "lines": [
            {"label": label, "value": value, "is_code": value.startswith("0x")}
            for label, value in (*lines, ("Transaction", log.tx_hash))
        ],
    }


Told = tuple[str, str | None, list[tuple[str, str]]]


def _told(log: Log, amounts: Amounts) -> Told:
    for kind, tell in _TELLERS.items():
        if isinstance(log.event, kind):
            return tell(log.event, amounts)
    return type(log.event).__name__, None, []


def _posted(event: JobPosted, amounts: Amounts) -> Told:
    lines = [
        ("Escrow", amounts.text(event.escrowed)),
        ("Prompts", digest_to_cid(event.params.prompts_digest)),
    ]
    return "Posted", event.requester, lines


def _armed(event: DrawArmed, amounts: Amounts) -> Told:
    text = f"by block {event.seed_block:,}, until block {event.expiry_block:,}"
    return f"Draw of round {event.round} armed", None, [("Draw", text)]


def _drawn(event: CommitteeDrawn, amounts: Amounts) -> Told:
    filled = sum(1 for seat in event.seat_ids if seat)
    lines = [
        ("Places", f"{filled} of {len(event.seat_ids)} filled"),
        ("Seed", to_hex(event.seed)),
    ]
    return f"Committee of round {event.round} drawn", None, lines


def _committed(event: ResultCommitted, amounts: Amounts) -> Told:
    lines = [("Commitment", to_hex(event.commitment))]
    return f"Place {event.place} committed", event.worker, lines


def _opened(event: RevealOpened, amounts: Amounts) -> Told:
    return "All have committed: reveals are open", None, []


def _revealed(event: ResultRevealed, amounts: Amounts) -> Told:
    outcome = event.outcome
    lines = [
        ("Outcome", f"{outcome.status.name.lower()}, {outcome.token_count:,} tokens"),
        ("Answer", to_hex(outcome.answer())),
    ]
    return f"Place {event.place} revealed", event.worker, lines


def _accepted(event: ResultAccepted, amounts: Amounts) -> Told:
    return "Answer accepted by a quorum", None, [("Answer", to_hex(event.answer))]


def _split(event: RoundSplit, amounts: Amounts) -> Told:
    return f"Round {event.round} ended without a quorum", None, []


def _paid(event: WorkerPaid, amounts: Amounts) -> Told:
    return f"{amounts.text(event.amount)} earned", event.worker, []


def _bounty(event: BountyPaid, amounts: Amounts) -> Told:
    return f"{amounts.text(event.amount)} bounty", event.caller, []


def _slashed(event: SeatSlashed, amounts: Amounts) -> Told:
    reason = event.reason.name.lower().replace("_", " ")
    return f"{amounts.text(event.amount)} slashed: {reason}", event.worker, []


def _settled(event: JobSettled, amounts: Amounts) -> Told:
    lines = [
        ("Paid", amounts.text(event.paid)),
        ("Refunded", amounts.text(event.refunded)),
        ("Fee", amounts.text(event.fee)),
        ("Transcript", to_hex(event.transcript)),
    ]
    return f"Settled: {event.state.label}", None, lines


def _cancelled(event: JobCancelled, amounts: Amounts) -> Told:
    return "Cancelled", None, [("Refunded", amounts.text(event.refunded))]


def _delivered(event: ResultDelivered, amounts: Amounts) -> Told:
    how = "succeeded" if event.has_succeeded else "failed, which changes nothing"
    return f"Delivered to its contract: the call {how}", None, []


_TELLERS: dict[type, Callable[[Any, Amounts], Told]] = {
    JobPosted: _posted,
    DrawArmed: _armed,
    CommitteeDrawn: _drawn,
    ResultCommitted: _committed,
    RevealOpened: _opened,
    ResultRevealed: _revealed,
    ResultAccepted: _accepted,
    RoundSplit: _split,
    WorkerPaid: _paid,
    BountyPaid: _bounty,
    SeatSlashed: _slashed,
    JobSettled: _settled,
    JobCancelled: _cancelled,
    ResultDelivered: _delivered,
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
