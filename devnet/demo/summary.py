"""The demo's summary: what a job's events, receipts and logs amount to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devnet.demo.gas import JobTransaction, gas_by_phase, transactions_of
from devnet.network.plan import Network
from protocol.chain.reader import MarketReader
from protocol.errors import RpcUnavailable
from protocol.hexadecimal import to_hex
from protocol.market.events import Entry
from protocol.market.timeline import Timeline

__all__ = ["Evidence", "collect", "summarize"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a summary is made of.

    Attributes:
        job: What the job's events say.
        block_times: Unix seconds of every block that holds one.
        transactions: The transactions that emitted them.
        inference_seconds: Computing time of each worker that computed, by address.
        setup_seconds: From the start to the network being ready.
        total_seconds: From the start to this evidence.
    """

    job: Timeline
    block_times: Mapping[int, int]
    transactions: Sequence[JobTransaction]
    inference_seconds: Mapping[str, float]
    setup_seconds: float
    total_seconds: float

    def seconds(self, entry: Entry[Any]) -> int:
        """Chain time from the posting to an event."""
        posted = self.job.posted.log.block_number
        return self.block_times[entry.log.block_number] - self.block_times[posted]


# ---------------------------------------------------------------- collecting


def collect(
    network: Network,
    market: MarketReader,
    job: Timeline,
    *,
    setup_seconds: float,
    total_seconds: float,
) -> Evidence:
    """Fetch block times, receipts and the workers' own measurements of a job.

    Args:
        network: Where it ran.
        market: Where to read.
        job: What the job's events say.
        setup_seconds: From the start to the network being ready.
        total_seconds: From the start to now.

    Raises:
        RpcUnavailable: The chain does not answer.
    """
    blocks = {log.block_number for log in job.logs}
    return Evidence(
        job=job,
        block_times={number: market.block_time(number) for number in blocks},
        transactions=[
            JobTransaction(tx_hash, _gas_used(market, tx_hash), kinds)
            for tx_hash, kinds in transactions_of(job.logs).items()
        ],
        inference_seconds=_inference_seconds(network),
        setup_seconds=setup_seconds,
        total_seconds=total_seconds,
    )


def _gas_used(market: MarketReader, tx_hash: str) -> int:
    receipt = market.receipt(tx_hash)
    if receipt is None:
        raise RpcUnavailable(f"the node has no receipt of {tx_hash}")
    return receipt.gas_used


def _inference_seconds(network: Network) -> dict[str, float]:
    """How long each worker computed, by its address, as it logged it."""
    pairs = zip(network.workers, network.worker_processes, strict=True)
    return {
        identity.account.address: float(line["seconds"])
        for identity, process in pairs
        for line in _log_lines(process.log)
        if line.get("event") == "computed" and "seconds" in line
    }


def _log_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a log; whatever else a library printed is passed over."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


# ---------------------------------------------------------------- summing up


def summarize(evidence: Evidence) -> dict[str, Any]:
    """The summary as JSON; amounts are units of the escrow token."""
    job = evidence.job
    params, outcome, settled = job.params, job.outcome, job.settled
    gas = gas_by_phase(evidence.transactions)
    inference = max(evidence.inference_seconds.values(), default=None)
    return {
        "jobId": to_hex(job.job_id),
        "modelId": to_hex(params.model_id),
        "requester": params.requester,
        "prompts": params.prompt_count,
        "redundancy": params.redundancy,
        "quorum": params.quorum,
        "maxTokens": params.max_tokens,
        "tokens": None if outcome is None else outcome.token_count,
        "state": job.state.label,
        "escrowed": job.posted.event.escrowed,
        "paid": 0 if settled is None else settled.event.paid,
        "refunded": job.refunded,
        "fees": 0 if settled is None else settled.event.fee,
        "slashed": sum(entry.event.amount for entry in job.slashed),
        "workersPaid": [_amount(e, e.event.worker) for e in job.workers_paid],
        "bountiesPaid": [_amount(e, e.event.caller) for e in job.bounties],
        "workersSlashed": [
            {**_amount(e, e.event.worker), "reason": e.event.reason.name.lower()}
            for e in job.slashed
        ],
        "committee": _committee(evidence),
        "gasByPhase": gas,
        "gasTotal": sum(gas.values()),
        "blocksToResult": None
        if job.accepted is None
        else job.accepted.log.block_number - job.posted.log.block_number,
        "secondsByPhase": _seconds_by_phase(evidence),
        "inferenceSeconds": None if inference is None else round(inference, 3),
        "setupSeconds": round(evidence.setup_seconds, 3),
        "totalSeconds": round(evidence.total_seconds, 3),
    }


def _amount(entry: Entry[Any], address: str) -> dict[str, Any]:
    return {"address": address, "amount": entry.event.amount}


def _committee(evidence: Evidence) -> list[dict[str, Any]]:
    job = evidence.job
    accepted = None if job.accepted is None else job.accepted.event.answer
    return [
        {
            "place": place.number,
            "worker": place.worker,
            "seatId": place.seat_id,
            "committed": _moment(evidence, place.committed),
            "revealed": _moment(evidence, place.revealed),
            "agreed": accepted is not None and place.answer == accepted,
            "inferenceSeconds": evidence.inference_seconds.get(place.worker),
        }
        for place in (job.last_drawn.places if job.last_drawn else ())
        if not place.is_vacant
    ]


def _moment(evidence: Evidence, entry: Entry[Any] | None) -> dict[str, Any] | None:
    """Block, seconds after posting and transaction."""
    if entry is None:
        return None
    return {
        "block": entry.log.block_number,
        "second": evidence.seconds(entry),
        "txHash": entry.log.tx_hash,
    }


def _seconds_by_phase(evidence: Evidence) -> dict[str, int]:
    """Chain time between the last events of consecutive phases."""
    job, one = evidence.job, evidence.job.last_drawn
    if one is None:
        return {}
    ends: dict[str, Entry[Any] | None] = {
        "draw": one.drawn,
        "commit": one.committed[-1] if one.committed else None,
        "reveal": one.revealed[-1] if one.revealed else None,
        "settle": job.settled,
    }
    seconds, before = {}, 0
    for name, end in ends.items():
        if end is not None:
            seconds[name] = evidence.seconds(end) - before
            before += seconds[name]
    return seconds
