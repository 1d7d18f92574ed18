from __future__ import annotations

from protocol.errors import RpcUnavailable, StoreUnavailable
from protocol.hexadecimal import to_hex
from protocol.market.types import Account, ModelId
from tests.support.machines.processes import eventually
from worker.monitoring.presence import Monitor, watch
from worker.monitoring.snapshot import Snapshot
from worker.seats.holdings import HeldSeat

MODEL = ModelId(b"\x07" * 32)
WORKER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def seat(*, close_requested_block: int | None = None) -> HeldSeat:
    return HeldSeat(1, MODEL, 0, False, close_requested_block, None)


def snapshot(*seats: HeldSeat) -> Snapshot:
    return Snapshot(
        worker=WORKER,  # type: ignore[arg-type]
        block_number=12,
        block_time=1_700_000_000,
        gas_wei=10**18,
        tokens=3,
        seat_bond=50,
        account=Account(1, 2, 3, 4, 5, 6),
        seats=seats,
        duties=(),
    )


def test_watch_tells_health_and_metrics_what_it_finds() -> None:
    monitor = Monitor()
    health = monitor.health
    health.loaded()
    found = snapshot(seat(), seat(close_requested_block=3))
    with watch(monitor, lambda: found, lambda: "0.1", (MODEL,)):
        assert eventually(lambda: health.obstacles() == {})
    text = monitor.metrics.exposition().decode()
    assert "assay_worker_head_block 12.0" in text
    assert f'assay_worker_seats{{model="{to_hex(MODEL)}",state="closing"}} 1.0' in text
    assert 'assay_worker_record{what="missed"} 3.0' in text


def test_watch_with_only_closing_seats_is_not_ready() -> None:
    monitor = Monitor()
    health = monitor.health
    health.loaded()
    found = snapshot(seat(close_requested_block=3))
    with watch(monitor, lambda: found, lambda: "0.1", (MODEL,)):
        assert eventually(lambda: health.obstacles() == {"seats": "none is open"})


def test_watch_survives_every_failure_and_says_it() -> None:
    monitor = Monitor()
    health = monitor.health
    health.loaded()
    answers: list[Exception] = [ValueError("a fault of ours"), RpcUnavailable("gone")]

    def take() -> Snapshot:
        if answers:
            raise answers.pop()
        return snapshot(seat())

    def ping() -> None:
        if len(answers) > 0:
            raise StoreUnavailable("not there")

    seen: list[dict[str, str]] = []

    def note() -> bool:
        seen.append(health.obstacles())
        return seen[-1] == {}

    with watch(monitor, take, ping, (MODEL,), pause_seconds=0.2):
        assert eventually(note)
    said = [one.get("chain") for one in seen]
    assert "gone" in said
    assert "the watch failed, see the log" in said
    assert "not there" in [one.get("ipfs") for one in seen]
