from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from protocol.errors import ConfigError, RpcUnavailable, StoreUnavailable
from protocol.hexadecimal import to_hex
from protocol.market.types import Account, ModelId
from tests.support.machines.processes import eventually
from worker.metrics import WorkerMetrics
from worker.monitoring.server import Health, serve_monitor, watch
from worker.monitoring.snapshot import Census
from worker.seats.holdings import HeldSeat

MODEL = ModelId(b"\x07" * 32)
WORKER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@dataclass(slots=True)
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def seat(*, close_requested_block: int | None = None) -> HeldSeat:
    return HeldSeat(1, MODEL, 0, False, close_requested_block, None)


def census(*seats: HeldSeat) -> Census:
    return Census(
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


def ready_health(clock: Clock) -> Health:
    health = Health(clock=clock)
    health.loaded()
    health.saw_chain(1)
    health.saw_content()
    return health


def test_faults_while_models_load_are_none_however_long() -> None:
    clock = Clock()
    health = Health(clock=clock)
    clock.now += 10_000
    assert health.faults() == {}
    assert "models" in health.obstacles()


def test_faults_of_a_loop_that_stands_still_name_it() -> None:
    clock = Clock()
    health = ready_health(clock)
    clock.now += 301
    assert health.faults() == {"loop": "has not gone round for 301 s"}
    health.ticked()
    assert health.faults() == {}


def test_obstacles_of_a_worker_that_can_serve_are_none() -> None:
    assert ready_health(Clock()).obstacles() == {}


def test_obstacles_of_a_lost_node_say_why_until_it_is_back() -> None:
    health = ready_health(Clock())
    health.lost_chain("no answer")
    health.lost_content("refused")
    assert health.obstacles() == {"chain": "no answer", "ipfs": "refused"}
    health.saw_chain(1)
    health.saw_content()
    assert health.obstacles() == {}


def test_obstacles_when_the_watch_stands_still_are_stale_facts() -> None:
    clock = Clock()
    health = ready_health(clock)
    clock.now += 61
    assert set(health.obstacles()) == {"chain", "ipfs"}


def test_obstacles_without_open_seats_or_while_draining_name_them() -> None:
    health = ready_health(Clock())
    health.saw_chain(0)
    health.draining()
    assert health.obstacles() == {
        "seats": "none is open",
        "drain": "takes nothing new",
    }


@dataclass(slots=True)
class Site:
    url: str
    health: Health
    metrics: WorkerMetrics

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def site() -> Iterator[Site]:
    health, metrics = Health(), WorkerMetrics()
    with serve_monitor("127.0.0.1:0", health, metrics) as url:
        yield Site(url, health, metrics)


def test_healthz_of_a_new_worker_answers_200_and_readyz_503(site: Site) -> None:
    assert site.get("/healthz") == (200, '{"ok": true, "reasons": {}}\n')
    status, body = site.get("/readyz")
    assert status == 503
    assert set(json.loads(body)["reasons"]) == {"chain", "ipfs", "models", "seats"}


def test_readyz_of_a_worker_that_can_serve_answers_200(site: Site) -> None:
    site.health.loaded()
    site.health.saw_chain(2)
    site.health.saw_content()
    assert site.get("/readyz")[0] == 200


def test_metrics_page_shows_what_was_counted(site: Site) -> None:
    site.metrics.drawn()
    status, body = site.get("/metrics")
    assert status == 200
    assert "assay_worker_drawn_total 1.0" in body


def test_other_pages_answer_404_and_list_what_is_there(site: Site) -> None:
    assert site.get("/") == (404, "/healthz\n/readyz\n/metrics\n")
    assert site.get("/metrics", method="POST")[0] == 501


def test_head_request_has_no_body(site: Site) -> None:
    assert site.get("/healthz", method="HEAD") == (200, "")


def test_serve_monitor_on_a_taken_port_raises_config_error(site: Site) -> None:
    address = site.url.removeprefix("http://")
    with (
        pytest.raises(ConfigError, match=f"monitor_address {address}"),
        serve_monitor(address, site.health, site.metrics),
    ):
        pass


def test_watch_tells_health_and_metrics_what_it_finds() -> None:
    health, metrics = Health(), WorkerMetrics()
    health.loaded()
    found = census(seat(), seat(close_requested_block=3))
    with watch(health, metrics, lambda: found, lambda: "0.1", (MODEL,)):
        assert eventually(lambda: health.obstacles() == {})
    text = metrics.exposition().decode()
    assert "assay_worker_head_block 12.0" in text
    assert f'assay_worker_seats{{model="{to_hex(MODEL)}",state="closing"}} 1.0' in text
    assert 'assay_worker_record{what="missed"} 3.0' in text


def test_watch_with_only_closing_seats_is_not_ready() -> None:
    health, metrics = Health(), WorkerMetrics()
    health.loaded()
    found = census(seat(close_requested_block=3))
    with watch(health, metrics, lambda: found, lambda: "0.1", (MODEL,)):
        assert eventually(lambda: health.obstacles() == {"seats": "none is open"})


def test_watch_survives_every_failure_and_says_it() -> None:
    health, metrics = Health(), WorkerMetrics()
    health.loaded()
    answers: list[Exception] = [ValueError("a fault of ours"), RpcUnavailable("gone")]

    def take() -> Census:
        if answers:
            raise answers.pop()
        return census(seat())

    def ping() -> None:
        if len(answers) > 0:
            raise StoreUnavailable("not there")

    seen: list[dict[str, str]] = []

    def note() -> bool:
        seen.append(health.obstacles())
        return seen[-1] == {}

    with watch(health, metrics, take, ping, (MODEL,), pause_seconds=0.2):
        assert eventually(note)
    said = [one.get("chain") for one in seen]
    assert "gone" in said
    assert "the watch failed, see the log" in said
    assert "not there" in [one.get("ipfs") for one in seen]
