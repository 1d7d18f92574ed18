"""Jobs, estimates and results as JSON values, the way `--json` prints them."""

from __future__ import annotations

from typing import Any

from protocol.digests import digest_to_cid
from protocol.documents.prompts import Prompt
from protocol.documents.results import LOGPROB_SCALE, Output
from protocol.hexadecimal import to_hex
from protocol.market.events import Entry
from protocol.market.prices import Estimate
from protocol.market.round_history import RoundHistory
from protocol.market.timeline import Timeline
from requester.jobs.results import Results

__all__ = ["estimate_view", "results_view", "timeline_view"]


def estimate_view(estimate: Estimate) -> dict[str, Any]:
    """What a job costs; amounts are units of the escrow token."""
    return {
        "escrow": estimate.escrow,
        "maxCost": estimate.escrow,
        "minCost": estimate.min_cost,
        "pricePerToken": estimate.price,
        "payPerSeat": estimate.pay,
        "fee": estimate.fee,
        "bounties": estimate.bounties,
        "maxTokens": estimate.max_tokens,
        "redundancy": estimate.redundancy,
        "maxRounds": estimate.rounds,
        "quorum": estimate.quorum,
        "isVerified": estimate.is_verified,
        "prompts": [
            {
                "promptTokens": prompt.prompt_tokens,
                "maxNewTokens": prompt.new_tokens,
                "askedNewTokens": prompt.asked_tokens,
                "maxCost": prompt.max_cost,
                "minCost": prompt.min_cost,
            }
            for prompt in estimate.prompts
        ],
    }


def timeline_view(timeline: Timeline) -> dict[str, Any]:
    """A job's parameters, committee and money, as far as it has come."""
    params = timeline.params
    settled, ended = timeline.settled, timeline.ended
    return {
        "jobId": to_hex(timeline.job_id),
        "state": timeline.state.label,
        "isAccepted": timeline.accepted is not None,
        "requester": params.requester,
        "modelId": to_hex(params.model_id),
        "promptsDigest": to_hex(params.prompts_digest),
        "promptsCid": digest_to_cid(params.prompts_digest),
        "promptCount": params.prompt_count,
        "maxTokens": params.max_tokens,
        "redundancy": params.redundancy,
        "quorum": params.quorum,
        "maxRounds": params.max_rounds,
        "tick": params.tick,
        "postedBlock": timeline.posted.log.block_number,
        "rounds": [_round(one) for one in timeline.rounds],
        "isDelivered": timeline.delivered is not None,
        "escrowed": timeline.posted.event.escrowed,
        "paid": settled.event.paid if settled else None,
        "refunded": ended.event.refunded if ended else None,
        "fees": settled.event.fee if settled else None,
        "slashed": sum(entry.event.amount for entry in timeline.slashed),
        "workersPaid": [
            {"address": entry.event.worker, "amount": entry.event.amount}
            for entry in timeline.workers_paid
        ],
    }


def results_view(results: Results) -> list[dict[str, Any]]:
    """Outputs with their prompts, in order."""
    return [_output_view(prompt, output) for prompt, output in results]


def _output_view(prompt: Prompt, output: Output) -> dict[str, Any]:
    view: dict[str, Any] = {
        "prompt": prompt.text,
        "text": output.text,
        "finish": output.finish.value,
        "promptTokens": len(prompt.ids),
        "newTokens": len(output.ids),
    }
    if output.logprobs:
        view["logprobs"] = [
            [
                {"id": token_id, "logprob": round(value / LOGPROB_SCALE, 6)}
                for token_id, value in pairs
            ]
            for pairs in output.logprobs
        ]
    return view


def _round(one: RoundHistory) -> dict[str, Any]:
    return {
        "round": one.number,
        "isAccepted": one.accepted is not None,
        "isSplit": one.split is not None,
        "committee": _committee(one),
    }


def _committee(one: RoundHistory) -> list[dict[str, Any]]:
    return [
        {
            "place": place.number,
            "seatId": place.seat_id,
            "worker": place.worker,
            "committedBlock": _block(place.committed),
            "revealedBlock": _block(place.revealed),
        }
        for place in one.places
        if not place.is_vacant
    ]


def _block(entry: Entry[Any] | None) -> int | None:
    return None if entry is None else entry.log.block_number
