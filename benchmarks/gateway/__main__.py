"""What the gateway serves a second, and what sharing jobs does to gas.

    python -m benchmarks.gateway --json FILE [--calls N] [--reads N]

Real parts on one machine: a chain with a block a second, IPFS, workers, the gateway
with its defaults, and the callers in this process, whose own work is in the figures.
Completions are one short prompt each, and take the blocks of a job's life at least.
Reads are of what does not change: a settled job's receipt, a page of the explorer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import openai

from benchmarks.machine import busy_note, describe_machine
from devnet.network.plan import Network, NetworkPlan, WorkerPlan
from devnet.network.start import local_market

__all__ = ["GatewayRow", "main", "measure"]

CONCURRENCY = (1, 16, 64)
_PLAN = NetworkPlan(workers=(WorkerPlan(max_seats=8),) * 3, gateway_port=0)
_TOKENS = 8
_TIMEOUT_SECONDS = 300
# The last reveals and the settlement come after the answer.
_AFTERMATH_BLOCKS = 4
_LOOK_SECONDS = 0.25

Call = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """A figure.

    Attributes:
        case: `completion`, `receipt` or `explorer`.
        concurrency: Callers at the same time; each waits for its answer.
        count: Calls measured.
        rps: Calls a second, over all callers.
        p50: Seconds of a call, the median.
        p95: The same, of the slowest twentieth.
        p99: The same, of the slowest hundredth.
        gasPerRequest: Gas of all transactions of the jobs, a call; None for reads.
    """

    case: str
    concurrency: int
    count: int
    rps: float
    p50: float
    p95: float
    p99: float
    gasPerRequest: int | None = None  # noqa: N815


async def measure(
    case: str, call: Call, concurrency: int, count: int
) -> tuple[GatewayRow, Sequence[object]]:
    """Times calls: so many callers, each making one after the other.

    Args:
        case: Name of the row.
        call: Makes the call of a number.
        concurrency: Callers.
        count: Calls of all of them together.

    Returns:
        The figures and the answers.
    """
    numbers = iter(range(count))
    seconds: list[float] = []
    answers: list[object] = []

    async def caller() -> None:
        for number in numbers:
            began = time.perf_counter()
            answers.append(await call(number))
            seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    elapsed = time.perf_counter() - began
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    p50, p95, p99 = (round(cuts[percent - 1], 4) for percent in (50, 95, 99))
    row = GatewayRow(case, concurrency, count, round(count / elapsed, 2), p50, p95, p99)
    return row, answers


async def _completions(network: Network, calls: int) -> tuple[list[GatewayRow], str]:
    """Rows of completions, and the receipt of the last one."""
    key = network.folder.api_key_file.read_text().strip()
    url = network.gateway_url
    rows, receipt = [], ""
    async with openai.AsyncOpenAI(
        api_key=key, base_url=f"{url}/v1", max_retries=0, timeout=_TIMEOUT_SECONDS
    ) as client:
        model = (await client.models.list()).data[0].id

        async def complete(number: int) -> str:
            answer = await client.completions.create(
                model=model,
                prompt=f"Chapter {number}: it was a fine morning, and",
                max_tokens=_TOKENS,
                seed=number,
            )
            return str(answer.model_dump()["assay"]["receipt_url"])

        await complete(0)
        for concurrency in CONCURRENCY:
            before = await _next_quiet_block(network)
            count = max(8, min(calls, 6 * concurrency))
            row, answers = await measure("completion", complete, concurrency, count)
            after = await _next_quiet_block(network)
            gas = await asyncio.to_thread(_gas_of, network, before, after)
            rows.append(
                GatewayRow(**{**asdict(row), "gasPerRequest": round(gas / count)})
            )
            receipt = str(answers[-1])
            _report(rows[-1])
    return rows, receipt


async def _reads(network: Network, receipt: str, reads: int) -> list[GatewayRow]:
    rows = []
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=_TIMEOUT_SECONDS) as client:
        for case, url in (
            ("receipt", receipt),
            ("explorer", f"{network.gateway_url}/"),
        ):

            async def read(number: int, url: str = url) -> None:
                answer = await client.get(url)
                answer.raise_for_status()

            await read(0)
            for concurrency in CONCURRENCY:
                row, _ = await measure(case, read, concurrency, reads)
                rows.append(row)
                _report(row)
    return rows


async def _next_quiet_block(network: Network) -> int:
    """A block after which nothing of the earlier calls is left to be mined."""
    wanted = _block(network) + _AFTERMATH_BLOCKS
    while _block(network) < wanted:
        await asyncio.sleep(_LOOK_SECONDS)
    return _block(network)


def _block(network: Network) -> int:
    return int(network.chain.rpc("eth_blockNumber"), 16)


def _gas_of(network: Network, before: int, after: int) -> int:
    """Gas of all transactions of the blocks after `before`, up to `after`."""
    gas = 0
    for number in range(before + 1, after + 1):
        block = network.chain.rpc("eth_getBlockByNumber", hex(number), False)
        gas += int(block["gasUsed"], 16)
    return gas


def _run(network: Network, calls: int, reads: int) -> list[GatewayRow]:
    async def both() -> list[GatewayRow]:
        rows, receipt = await _completions(network, calls)
        return rows + await _reads(network, receipt, reads)

    return asyncio.run(both())


def _report(row: GatewayRow) -> None:
    gas = "" if row.gasPerRequest is None else f", {row.gasPerRequest:,} gas a call"
    sys.stdout.write(
        f"{row.case:10} {row.concurrency:3} callers {row.rps:8,.2f} a second, "
        f"p50 {row.p50:.3f} s, p95 {row.p95:.3f} s, p99 {row.p99:.3f} s{gas}\n"
    )
    sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Measure and report; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--calls", type=int, default=384, help="Most calls of a case.")
    parser.add_argument("--reads", type=int, default=2_000, help="Reads of a case.")
    options = parser.parse_args(arguments)
    machine = describe_machine()
    with (
        tempfile.TemporaryDirectory(prefix="assay-gateway-") as path,
        local_market(Path(path), _PLAN) as network,
    ):
        rows = _run(network, options.calls, options.reads)
    report = {"machine": machine, "rows": [asdict(row) for row in rows]}
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    note = busy_note(machine["load_before"], os.cpu_count() or 1)
    if note is not None:
        sys.stderr.write(note + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
