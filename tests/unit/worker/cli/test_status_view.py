from __future__ import annotations

import io
from dataclasses import replace

from eth_utils.address import to_checksum_address
from rich.console import Console

from protocol.amounts import Amounts
from protocol.market.types import Account, JobId, ModelId
from worker.cli.status_view import Pace, render_status
from worker.duty import JobStage
from worker.monitoring.snapshot import PendingDuty, Snapshot
from worker.monitoring.status import Status, Vitals, status_document
from worker.process.data_dir import RunRecord
from worker.seats.holdings import HeldSeat

MODEL = ModelId(b"\x07" * 32)
NOW = 1_700_000_000
AMOUNTS = Amounts(6, "ATD")


def seat(seat_id: int, *, is_busy: bool = False, asked: int | None = None) -> HeldSeat:
    leaves = None if asked is None else asked + 258
    return HeldSeat(seat_id, MODEL, 0, is_busy, asked, leaves)


def duty(number: int, stage: JobStage, left: int) -> PendingDuty:
    return PendingDuty(JobId(bytes([number]) * 32), 1, number, stage, NOW + left)


SNAPSHOT = Snapshot(
    worker=to_checksum_address("0x70997970c51812dc3a010c7d01b50e0d17dc79c8"),
    block_number=512,
    block_time=NOW,
    gas_wei=1_250_000_000_000_000_000,
    tokens=0,
    seat_bond=50_000_000,
    account=Account(3_250_000, 41, 1, 0, 3, 0),
    seats=(seat(3, is_busy=True), seat(4), seat(9, asked=300)),
    duties=(
        duty(1, JobStage.COMMITTED, 75),
        duty(2, JobStage.MISSED, -1),
    ),
)
RUN = RunRecord(4242, NOW - 3_700, SNAPSHOT.worker, "http://127.0.0.1:9464")
VITALS = Vitals(tokens=12_345, waiting=2, running=3, is_draining=False, obstacles={})
STATUS = Status(SNAPSHOT, RUN, VITALS)


def shown(status: Status, **options: float) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(render_status(status, AMOUNTS, now=NOW, **options))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_render_status_of_a_running_worker_shows_everything() -> None:
    text = shown(STATUS, tokens_per_second=512.4)
    for expected in (
        f"worker {SNAPSHOT.worker}\nrunning for 1 h 1 min, process 4242, block 512",
        "1.25 ETH",
        "3.25 ATD",
        "150 ATD",
        "50 ATD",
        "block 558",
        "41 jobs completed, 1 missed, 0 slashed",
        "jobs: 1 committed, 1 missed",
        "1 min 15 s",
        "over",
        "512 tokens/s, 3 jobs in the batch, 2 waiting, 12,345 tokens",
    ):
        assert expected in text


def test_render_status_of_a_stopped_worker_says_so() -> None:
    text = shown(Status(replace(SNAPSHOT, seats=(), duties=()), None, None))
    assert "not running" in text
    assert "no job under way" in text
    assert "none" in text


def test_render_status_of_a_draining_or_troubled_worker_says_why() -> None:
    vitals = replace(VITALS, is_draining=True, obstacles={"ipfs": "no answer"})
    text = shown(replace(STATUS, vitals=vitals))
    assert "draining, running for" in text
    assert "not ready: ipfs: no answer" in text


def test_render_status_without_monitor_names_the_setting() -> None:
    silent = replace(STATUS, vitals=None)
    assert "metrics: silent" in shown(silent)
    unserved = replace(silent, run=replace(RUN, monitor_url=""))
    assert "metrics: not served (setting monitor_address)" in shown(unserved)


def test_render_status_of_many_jobs_shows_the_most_urgent() -> None:
    duties = tuple(duty(i, JobStage.COMPUTING, 600 - i) for i in range(1, 21))
    text = shown(replace(STATUS, snapshot=replace(SNAPSHOT, duties=duties)))
    assert "jobs: 20 computing" in text
    assert "… and 8 more" in text
    assert text.index("0x14141414") < text.index("0x13131313")
    assert "0x01010101" not in text


def test_status_document_gives_amounts_in_units() -> None:
    document = status_document(STATUS)
    assert document["stake"] == 150_000_000
    assert document["stakeAtRisk"] == 50_000_000
    assert document["seatStates"] == {"idle": 1, "busy": 1, "closing": 1}
    assert document["jobStates"]["missed"] == 1
    assert document["jobs"][0]["deadline"] == NOW + 75
    assert document["process"]["queueRunning"] == 3
    assert status_document(Status(SNAPSHOT, None, None))["process"] is None


def test_pace_between_two_looks_is_tokens_a_second() -> None:
    pace = Pace()
    assert pace.of(VITALS, 10.0) is None
    assert pace.of(replace(VITALS, tokens=VITALS.tokens + 600), 12.0) == 300
    # Started anew, or silent in between: nothing to compare with.
    assert pace.of(replace(VITALS, tokens=5), 14.0) is None
    assert pace.of(None, 16.0) is None
    assert pace.of(VITALS, 18.0) is None
