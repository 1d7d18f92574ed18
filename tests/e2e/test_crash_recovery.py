"""Workers killed at any time, and what a worker does without its memory."""

from __future__ import annotations

import random
import secrets
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.market.events import ResultCommitted, SeatSlashed
from protocol.market.types import JobParams, JobState
from tests.e2e.crash_market import PATIENCE_SECONDS, CrashMarket, Scene
from tests.support.faults.faulty_proxy import Fault, FaultyProxy, drop, status
from tests.support.machines.processes import eventually
from tests.support.machines.worker_server import WorkerProcess

SEED = 7
KILLS = 10
JOBS = 6
WORKERS = 3
LONG_AGO_SECONDS = 400 * 86_400


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashMarket]:
    with CrashMarket.start(tmp_path_factory.mktemp("recovery")) as market:
        yield market


def killed_at(scene: Scene, point: str) -> JobParams:
    """A job whose worker was killed at a point."""
    crashing = scene.run(crash_at=point)
    scene.await_seats()
    params = scene.post()
    scene.advance_until(params, lambda: not crashing.is_running)
    assert crashing.wait() == -signal.SIGKILL, crashing.tail()
    return params


def test_worker_without_its_journal_reveals_what_it_committed(
    market: CrashMarket,
) -> None:
    scene = Scene(market, "forgetful")
    params = killed_at(scene, "commit.mined")
    for path in scene.data_dir.glob("*.sqlite*"):
        path.unlink()

    again = scene.run()
    scene.await_end(params)
    again.kill()
    again.wait()

    scene.check_books(params)


def test_worker_killed_with_its_commitment_unmined_commits_once(
    market: CrashMarket,
) -> None:
    scene = Scene(market, "unmined")
    params = killed_at(scene, "outcome.saved")
    with market.no_blocks():
        second = scene.run(crash_at="transaction.sent")
        assert second.wait() == -signal.SIGKILL, second.tail()
        third = scene.run()
        # It sees no commitment in a block, and finds that one is on its way.
        await_event(third, "step failed")
    scene.await_end(params)
    third.kill()
    third.wait()

    scene.check_books(params)
    assert "UnexpectedJobState" in third.log.read_text()


def test_worker_killed_with_its_seats_unmined_opens_no_more(
    market: CrashMarket,
) -> None:
    scene = Scene(market, "seats")
    first = scene.run(crash_at="seats.opening")
    assert first.wait() == -signal.SIGKILL, first.tail()
    with market.no_blocks():
        second = scene.run(crash_at="transaction.sent")
        assert second.wait() == -signal.SIGKILL, second.tail()
        third = scene.run()
        await_event(third, "seats opened before")
        assert scene.seats() == 0
    scene.await_seats()
    params = scene.post()
    scene.await_end(params)
    third.kill()
    third.wait()

    scene.check_books(params)


@pytest.mark.parametrize(
    "fault", [drop(), status(429), status(503)], ids=["down", "limited", "failing"]
)
def test_worker_started_while_the_chain_fails_opens_its_seats_when_it_answers(
    market: CrashMarket, fault: Fault
) -> None:
    scene = Scene(market, f"awaiting-{secrets.token_hex(4)}")
    with FaultyProxy(market.network.chain.url) as proxy:
        proxy.use(fault)
        worker = scene.run(rpc_url=proxy.url)
        await_event(worker, "chain awaited")
        proxy.heal()
        scene.await_seats()
        assert worker.is_running
        worker.kill()
        worker.wait()


def test_worker_started_without_patience_says_that_the_chain_does_not_answer(
    market: CrashMarket,
) -> None:
    scene = Scene(market, "hasty")
    with FaultyProxy(market.network.chain.url) as proxy:
        proxy.use(drop())
        worker = scene.run(rpc_url=proxy.url, start_patience_seconds=0)
        assert worker.wait() > 0
        assert "cannot connect" in worker.tail()


def await_event(worker: WorkerProcess, event: str) -> None:
    def is_logged() -> bool:
        return any(one["event"] == event for one in worker.events())

    assert eventually(is_logged, PATIENCE_SECONDS), worker.tail()


@pytest.mark.parametrize(
    "point",
    ["results.unpinning", "results.unpinned", "jobs.deleting", "jobs.deleted"],
)
def test_worker_killed_while_it_forgets_an_old_job_forgets_it_later(
    market: CrashMarket, point: str
) -> None:
    scene = Scene(market, point.replace(".", "-"))
    params = _served(scene)
    _make_old(scene)

    crashing = scene.run(crash_at=point)
    assert crashing.wait() == -signal.SIGKILL, crashing.tail()
    again = scene.run()

    assert eventually(lambda: _jobs_in_journal(scene) == 0, PATIENCE_SECONDS)
    again.kill()
    again.wait()
    scene.check_books(params)
    assert scene.results_cid(params) not in market.network.ipfs.call("pin/ls")["Keys"]


def _served(scene: Scene) -> JobParams:
    worker = scene.run()
    scene.await_seats()
    params = scene.post()
    scene.await_end(params)
    assert eventually(lambda: _jobs_in_journal(scene, "closed_at") == 1)
    worker.kill()
    worker.wait()
    return params


def _journal(scene: Scene) -> Path:
    (path,) = scene.data_dir.glob("journal-*.sqlite")
    return path


def _jobs_in_journal(scene: Scene, column: str = "job_id") -> int:
    own = scene.spec.model_id()
    with sqlite3.connect(_journal(scene)) as connection:
        rows = connection.execute(f"SELECT params, {column} FROM jobs").fetchall()
    connection.close()
    found = [
        value for data, value in rows if JobParams.from_bytes(data).model_id == own
    ]
    return sum(value is not None for value in found)


def _make_old(scene: Scene) -> None:
    with sqlite3.connect(_journal(scene)) as connection:
        connection.execute(
            "UPDATE jobs SET closed_at = closed_at - ?", (LONG_AGO_SECONDS,)
        )
    connection.close()


def test_workers_killed_at_random_finish_every_job(market: CrashMarket) -> None:
    chance = random.Random(SEED)
    spec = market.model()
    scenes = [Scene(market, f"random-{n}", spec) for n in range(WORKERS)]
    running = [scene.run() for scene in scenes]
    for scene in scenes:
        scene.await_seats()
    requester = scenes[0]
    jobs: list[JobParams] = []
    for _ in range(KILLS):
        if len(jobs) < JOBS:
            jobs.append(requester.post(nonce=len(jobs) + 1, redundancy=WORKERS))
        _advance_for(requester, jobs, chance.uniform(0.1, 1.5))
        victim = chance.randrange(WORKERS)
        running[victim].kill()
        running[victim].wait()
        running[victim] = scenes[victim].run()
    _finish(requester, jobs)
    for worker in running:
        worker.kill()
        worker.wait()

    for scene in scenes:
        record = scene.worker.account_of(scene.worker.address)
        assert (record.completed, record.missed, record.slashed) == (len(jobs), 0, 0)
        assert scene.seats() == 1
    own = {requester.worker.job_id_of(params) for params in jobs}
    logs = requester.worker.events(kinds=(ResultCommitted, SeatSlashed))
    events = [log.event for log in logs if log.event.job_id in own]  # type: ignore[attr-defined]
    assert len(events) == WORKERS * len(jobs)


def _advance_for(requester: Scene, jobs: list[JobParams], seconds: float) -> None:
    until = time.monotonic() + seconds
    for params in jobs:
        requester.advance(params)
    while time.monotonic() < until:
        time.sleep(0.05)


def _finish(requester: Scene, jobs: list[JobParams]) -> None:
    def all_are_accepted() -> bool:
        for params in jobs:
            requester.advance(params)
        states = {
            requester.worker.state_of(requester.worker.job_id_of(p)) for p in jobs
        }
        return states == {JobState.ACCEPTED}

    assert eventually(all_are_accepted, 2 * PATIENCE_SECONDS)
