from __future__ import annotations

from tests.unit.protocol.host.test_backoff import Clock
from worker.monitoring.health import Health


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
