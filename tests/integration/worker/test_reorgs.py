"""Reorganisations of the chain under a worker: it acts again, never against itself."""

from __future__ import annotations

import pytest

from devnet.processes.anvil import Anvil
from protocol.market.events import (
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    SeatSlashed,
)
from protocol.market.types import JobId, JobParams, JobState
from tests.integration.worker.conftest import Bench, tick_until
from worker.run import Worker


@pytest.fixture
def anvil(own_anvil: Anvil) -> Anvil:
    """Deep states of a long chain are forgotten, so each has a short one."""
    return own_anvil


def reorganise(bench: Bench, depth: int) -> None:
    """Puts as many empty blocks in the place of the last ones; their transactions
    are gone, as if nobody had ever passed them on.
    """
    bench.market.anvil.rpc("anvil_reorg", depth, [])


def state(bench: Bench, params: JobParams) -> JobState:
    return bench.requester.state_of(bench.requester.job_id_of(params))


def count(bench: Bench, params: JobParams, kind: type) -> int:
    job_id = bench.requester.job_id_of(params)
    return len(bench.requester.events(job_id=job_id, kinds=(kind,)))


def is_accepted(bench: Bench, params: JobParams) -> bool:
    """Whether a block says so; Anvil shows its state a moment before the block."""
    return count(bench, params, ResultAccepted) == 1


def blocks_since(bench: Bench, number: int) -> int:
    return bench.requester.block_number() - number


def drawn_job(bench: Bench) -> JobParams:
    bench.store.put(bench.prompts.to_bytes())
    params = bench.post()
    bench.market.draw(bench.requester, params)
    return params


def hold_back(worker: Worker, kind: str, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(getattr(worker._serving._submission, kind), "flush", lambda: None)


def check_books(bench: Bench, params: JobParams) -> None:
    assert count(bench, params, ResultCommitted) == 1
    assert count(bench, params, ResultRevealed) == 1
    assert count(bench, params, SeatSlashed) == 0
    client = bench.market.client(2)
    record = client.account_of(client.address)
    assert (record.completed, record.missed, record.slashed) == (1, 0, 0)


def test_tick_after_the_draw_was_reorganised_away_waits_for_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = bench.seated_worker(keeper=False)
    params = drawn_job(bench)
    with monkeypatch.context() as patched:
        hold_back(worker, "commits", patched)
        tick_until(worker, lambda: _are_computed(worker))
    reorganise(bench, 1)
    assert state(bench, params) is JobState.OPEN

    for _ in range(20):
        worker.tick()
    assert worker._jobs.duties() == []
    assert count(bench, params, ResultCommitted) == 0

    bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: is_accepted(bench, params))
    # What was computed for the first draw serves the second.
    assert bench.engine.batches == 1
    check_books(bench, params)


def _are_computed(worker: Worker) -> bool:
    duties = worker._jobs.duties()
    return bool(duties) and all(duty.outcome is not None for duty in duties)


def test_tick_after_its_commitment_was_reorganised_away_commits_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = bench.seated_worker()
    params = drawn_job(bench)
    before = bench.requester.block_number()
    with monkeypatch.context() as patched:
        hold_back(worker, "reveals", patched)
        tick_until(worker, lambda: count(bench, params, ResultCommitted) == 1)
        for _ in range(5):
            worker.tick()
    reorganise(bench, blocks_since(bench, before))
    assert state(bench, params) is JobState.COMMITTING

    tick_until(worker, lambda: is_accepted(bench, params))
    check_books(bench, params)


def test_tick_after_its_reveal_was_reorganised_away_reveals_again(
    bench: Bench,
) -> None:
    worker = bench.seated_worker()
    params = drawn_job(bench)
    tick_until(worker, lambda: count(bench, params, ResultCommitted) == 1)
    before = bench.requester.block_number()
    tick_until(worker, lambda: is_accepted(bench, params))
    for _ in range(5):
        worker.tick()
    reorganise(bench, blocks_since(bench, before))
    assert state(bench, params) is JobState.REVEALING

    tick_until(worker, lambda: is_accepted(bench, params))
    check_books(bench, params)


def test_tick_after_the_whole_job_was_reorganised_away_forgets_it(
    bench: Bench,
) -> None:
    worker = bench.seated_worker()
    before = bench.requester.block_number()
    params = drawn_job(bench)
    tick_until(worker, lambda: is_accepted(bench, params))
    reorganise(bench, blocks_since(bench, before))

    tick_until(worker, lambda: worker._journal.params_of(_id(bench, params)) is None)
    bench.requester.post_job(params)
    bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: is_accepted(bench, params))
    check_books(bench, params)


def _id(bench: Bench, params: JobParams) -> JobId:
    return bench.requester.job_id_of(params)


def test_tick_with_confirmations_acts_once_they_are_there(bench: Bench) -> None:
    worker = bench.seated_worker(confirmations=3, keeper=False)
    params = drawn_job(bench)
    bench.market.anvil.mine(2)
    for _ in range(20):
        worker.tick()
    assert bench.engine.batches == 0
    reorganise(bench, 3)
    for _ in range(20):
        worker.tick()
    assert bench.engine.batches == 0

    bench.market.draw(bench.requester, params)
    bench.market.anvil.mine(3)
    tick_until(worker, lambda: is_accepted(bench, params))
    check_books(bench, params)
