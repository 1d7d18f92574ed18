"""Collecting what a demo's summary is made of: from the chain and from the logs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from devnet.demo.gas import JobTransaction, transactions_of
from devnet.demo.summary import Evidence
from devnet.network.plan import Network
from protocol.chain.reader import MarketReader
from protocol.errors import RpcUnavailable
from protocol.market.events import Log

__all__ = ["collect"]


def collect(
    network: Network,
    market: MarketReader,
    logs: Sequence[Log],
    *,
    setup_seconds: float,
    total_seconds: float,
) -> Evidence:
    """Fetch block times, receipts and the workers' own measurements of a job.

    Args:
        network: Where it ran.
        market: Where to read.
        logs: The job's events.
        setup_seconds: From the start to the network being ready.
        total_seconds: From the start to now.

    Raises:
        RpcUnavailable: The chain does not answer.
    """
    transactions = transactions_of(logs).items()
    return Evidence(
        logs=logs,
        block_times={
            number: market.block_time(number)
            for number in {log.block_number for log in logs}
        },
        transactions=[
            JobTransaction(tx_hash, _gas_used(market, tx_hash), kinds)
            for tx_hash, kinds in transactions
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
    seconds: dict[str, float] = {}
    pairs = zip(network.workers, network.worker_processes, strict=True)
    for identity, process in pairs:
        for line in _log_lines(process.log):
            if line.get("event") == "computed" and "seconds" in line:
                seconds[identity.account.address] = float(line["seconds"])
    return seconds


def _log_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a log; whatever else a library printed is passed over."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
