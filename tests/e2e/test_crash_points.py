"""A worker killed at every point where it changes something outside itself.

After each kill it is started again and must end its job as if nothing had happened:
accepted and delivered, paid and withdrawn, one commitment, one reveal, one seat.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.e2e.crash_market import CrashMarket, Scene

_ROOT = Path(__file__).resolve().parents[2]
_LABEL = re.compile(r'crash_point\("([a-z.]+)"\)')
_AT_ONCE = 4

# With `:n`, where the first passing is of another transaction than is meant: approval,
# deposit and seats come first, then the job's commitment, its reveal and the payout.
POINTS = (
    "advance.mined",
    "advance.sending",
    "commit.mined",
    "commit.sending",
    "compute.done",
    "compute.starting",
    "deliver.mined",
    "deliver.sending",
    "duty.finished",
    "duty.finishing",
    "events.saved",
    "events.saved:3",
    "events.saving",
    "events.saving:3",
    "journal.migrated",
    "journal.migrating",
    "outcome.saved",
    "outcome.saving",
    "publish.put",
    "publish.putting",
    "publish.saved",
    "publish.saving",
    "reveal.mined",
    "reveal.sending",
    "seats.opened",
    "seats.opening",
    "stake.approved",
    "stake.approving",
    "stake.deposited",
    "stake.depositing",
    "transaction.mined:4",
    "transaction.mined:5",
    "transaction.sent:2",
    "transaction.sent:3",
    "transaction.sent:4",
    "transaction.sent:5",
    "transaction.settled:4",
    "transaction.settled:5",
    "transaction.written:3",
    "transaction.written:4",
    "transaction.written:5",
    "withdraw.mined",
    "withdraw.sending",
)
# What only happens long after a job's end; test_crash_recovery kills there.
LATE_POINTS = frozenset(
    {"jobs.deleted", "jobs.deleting", "results.unpinned", "results.unpinning"}
)
# Workers that move jobs forward would do so for each other's jobs.
KEEPER_POINTS = frozenset(point for point in POINTS if point[:2] in ("ad", "de"))
_one_keeper = threading.Lock()
# A round's end reaches the tip before it is confirmed and closes the duty.
CONFIRMED_POINTS = frozenset(point for point in POINTS if point.startswith("duty."))


@pytest.fixture(scope="module")
def endings(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[None]]]:
    """Every scene, a few at a time: what a test asks for is under way already."""
    with (
        CrashMarket.start(tmp_path_factory.mktemp("crashes")) as market,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        yield {point: pool.submit(_play, market, point) for point in POINTS}


def _play(market: CrashMarket, point: str) -> None:
    name = re.sub(r"\W", "-", point)
    confirmations = 10 if point in CONFIRMED_POINTS else 0
    has_keeper = point in KEEPER_POINTS
    with _one_keeper if has_keeper else nullcontext():
        _play_scene(
            Scene(market, name, confirmations=confirmations, keeper=has_keeper), point
        )


def _play_scene(scene: Scene, point: str) -> None:
    crashing = scene.run(crash_at=point)
    if not _is_at_start(point):
        scene.await_seats()
        params = scene.post()
        scene.advance_until(params, lambda: not crashing.is_running)
    assert crashing.wait() == -signal.SIGKILL, crashing.tail()
    again = scene.run()
    if _is_at_start(point):
        scene.await_seats()
        params = scene.post()
    scene.await_end(params)
    again.kill()
    again.wait()
    scene.check_books(params)


def _is_at_start(point: str) -> bool:
    """Whether it is passed before the worker can be drawn."""
    subject, _, number = point.partition(":")
    is_stake = subject.startswith(("stake.", "seats.", "journal."))
    is_early = subject.startswith("transaction.") and int(number) <= 3
    return is_stake or is_early


@pytest.mark.parametrize("point", POINTS)
def test_worker_killed_at_a_point_ends_its_job_after_a_restart(
    endings: dict[str, Future[None]], point: str
) -> None:
    endings[point].result()


def test_crash_points_of_the_source_are_all_killed_at() -> None:
    sources = [*_ROOT.glob("worker/**/*.py"), *_ROOT.glob("protocol/**/*.py")]
    found = {label for path in sources for label in _LABEL.findall(path.read_text())}

    assert {point.partition(":")[0] for point in POINTS} | LATE_POINTS == found
