"""How fast the gateway indexes a market's events, on both databases.

    python -m benchmarks.indexer --json FILE [--jobs N] [--rounds N]

The chain is made of jobs of three workers, 16 events each, as a node would send them: a
poll parses their JSON, decodes the ABI and writes, with the settings of a gateway and
databases that wait for the disk. Only the way from the node to us is left out.
`catch_up` is an empty database and a chain that stands still, `live` one poll for each
new block of some 35 events, which says how late the index is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete

from benchmarks.indexer.chain import RawChain, a_market
from benchmarks.machine import busy_note, describe_machine
from gateway.database.engine import Database, create_database
from gateway.database.leases import Lease
from gateway.database.schema import migrate
from gateway.indexer.apply import forget_all
from gateway.indexer.indexer import Indexer
from gateway.indexer.models import IndexRow
from gateway.indexer.position import IndexedMarket
from tests.support.machines.postgres import PostgresServer
from tests.support.market.market_history import MADE_MARKETPLACE

__all__ = ["IndexerRow", "main", "measure"]

JOBS = 2_000
ROUNDS = 3
LIVE_BLOCKS = 60
_MARKET = IndexedMarket(31_337, MADE_MARKETPLACE, 0, 2**95)
_PERCENT_95 = 18


@dataclass(frozen=True, slots=True)
class IndexerRow:
    """A figure.

    Attributes:
        case: `catch_up` or `live`.
        database: `sqlite` or `postgresql`.
        events: Events of one round.
        eventsPerSecond: Median over the rounds; of `live`, while it is at work.
        eventsPerCpuSecond: The same by this process's own time, over all rounds: it
            says what other programs cannot slow down. A server's time is not in it.
        lowest: The slowest round's.
        p50: Of `live`: milliseconds from a block to its commit.
        p95: The same.
    """

    case: str
    database: str
    events: int
    eventsPerSecond: float  # noqa: N815
    eventsPerCpuSecond: float  # noqa: N815
    lowest: float
    p50: float | None = None
    p95: float | None = None


def measure(
    database: Database, chain: RawChain, kind: str, rounds: int
) -> list[IndexerRow]:
    """Both cases on one empty database.

    Args:
        database: Migrated.
        chain: With at least `LIVE_BLOCKS` blocks after those to catch up with.
        kind: Its name in the rows.
        rounds: How often to catch up.
    """
    catching_up, live = [], []
    events = 0
    cpu = busy = 0.0
    for _ in range(rounds):
        _forget(database)
        indexer = Indexer(database, chain, _MARKET)
        chain.head = chain.length - LIVE_BLOCKS - 1
        cpu -= time.process_time()
        began = time.perf_counter()
        events = _catch_up(indexer)
        catching_up.append(events / (time.perf_counter() - began))
        cpu += time.process_time()
        busy -= time.process_time()
        live += list(_follow(indexer, chain))
        busy += time.process_time()
        indexer.resign()
    latencies = sorted(1_000 * seconds for _, seconds in live)
    speeds = [count / seconds for count, seconds in live]
    return [
        IndexerRow(
            "catch_up",
            kind,
            events,
            round(statistics.median(catching_up)),
            round(rounds * events / cpu),
            round(min(catching_up)),
        ),
        IndexerRow(
            "live",
            kind,
            sum(count for count, _ in live) // rounds,
            round(statistics.median(speeds)),
            round(sum(count for count, _ in live) / busy),
            round(min(speeds)),
            round(statistics.median(latencies), 1),
            round(statistics.quantiles(latencies, n=20)[_PERCENT_95], 1),
        ),
    ]


def _catch_up(indexer: Indexer) -> int:
    """How many events it was."""
    events = 0
    while True:
        step = indexer.step()
        events += step.event_count
        if step.lag_blocks == 0:
            return events


def _follow(indexer: Indexer, chain: RawChain) -> Iterator[tuple[int, float]]:
    """Events and seconds of each block that is mined from now on."""
    for _ in range(LIVE_BLOCKS):
        chain.head += 1
        began = time.perf_counter()
        step = indexer.step()
        yield step.event_count, time.perf_counter() - began


def _forget(database: Database) -> None:
    with database.writing() as session:
        forget_all(session)
        session.execute(delete(IndexRow))
        session.execute(delete(Lease))


@contextmanager
def _databases() -> Iterator[dict[str, Database]]:
    with (
        tempfile.TemporaryDirectory(prefix="assay-index-") as folder,
        PostgresServer(is_durable=True) as server,
        create_database(f"sqlite:///{Path(folder)}/gateway.sqlite") as sqlite,
        create_database(server.url()) as postgresql,
    ):
        for database in (sqlite, postgresql):
            migrate(database)
        yield {"sqlite": sqlite, "postgresql": postgresql}


def main(arguments: Sequence[str]) -> int:
    """Measure and report; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(arguments)
    machine: dict[str, Any] = describe_machine()
    chain = a_market(options.jobs, live_blocks=LIVE_BLOCKS)
    rows: list[IndexerRow] = []
    with _databases() as databases:
        for kind, database in databases.items():
            rows += measure(database, chain, kind, options.rounds)
    report = {"machine": machine, "rows": [asdict(row) for row in rows]}
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for row in rows:
        late = "" if row.p50 is None else f", {row.p50} ms a block (p95 {row.p95})"
        sys.stdout.write(
            f"{row.case:9} {row.database:11} {row.eventsPerSecond:8,.0f} events/s "
            f"(lowest {row.lowest:,.0f}; {row.eventsPerCpuSecond:,.0f} per CPU "
            f"second){late}\n"
        )
    note = busy_note(machine["load_before"], os.cpu_count() or 1)
    if note is not None:
        sys.stderr.write(note + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
