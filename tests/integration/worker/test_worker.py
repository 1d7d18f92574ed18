from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference.packages.package import BUNDLED_MODEL
from protocol.documents.results import ResultsDocument
from protocol.errors import ModelRefused
from protocol.market.events import (
    CommitteeDrawn,
    ResultCommitted,
    ResultRevealed,
    Withdrawn,
)
from protocol.market.types import JobParams, JobState, Outcome, OutcomeStatus
from protocol.store.unixfs import file_digest
from tests.integration.worker.conftest import (
    ENGINE_OPTIONS,
    Bench,
    await_logs,
    tick_until,
)
from tests.support.market.values import an_outcome
from worker.models.loading import require_exact, serve_model
from worker.run import Worker
from worker.seats.opening import affordable_seats
from worker.settings import EngineOptions


def state(bench: Bench, params: JobParams) -> JobState:
    return bench.requester.state_of(bench.requester.job_id_of(params))


def has_committed(bench: Bench, params: JobParams) -> bool:
    job_id = bench.requester.job_id_of(params)
    return bool(bench.requester.events(job_id=job_id, kinds=(ResultCommitted,)))


def revealed(bench: Bench, params: JobParams) -> Outcome:
    job_id = bench.requester.job_id_of(params)
    (log,) = await_logs(bench.requester, 1, job_id=job_id, kinds=(ResultRevealed,))
    assert isinstance(log.event, ResultRevealed)
    return log.event.outcome


def test_tick_job_of_one_is_computed_paid_and_withdrawn(bench: Bench) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker(withdraw_above=0)
    client = bench.market.client(2)
    # The stake that no seat locks is paid out.
    tick_until(worker, lambda: client.account_of(client.address).credit == 0)
    before = client.token_balance(client.address)
    params = bench.post()
    bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: state(bench, params) is JobState.ACCEPTED)
    tick_until(worker, lambda: client.token_balance(client.address) != before)

    outcome = revealed(bench, params)
    results = ResultsDocument.from_bytes(
        bench.store.get(outcome.results_digest, max_bytes=10_000)
    )
    assert outcome.results_root == results.root()
    pay = client.config.base_fee + outcome.token_count * bench.model.spec.base_price
    assert client.token_balance(client.address) == before + pay
    assert client.account_of(client.address).credit == 0
    assert client.account_of(client.address).completed == 1
    (paid,) = await_logs(client, 1, kinds=(Withdrawn,))
    assert isinstance(paid.event, Withdrawn) and paid.event.amount == pay


def test_tick_before_the_reveal_phase_no_bytes_are_published(bench: Bench) -> None:
    bench.store.put(bench.prompts.to_bytes())
    others = [bench.market.worker(3), bench.market.worker(4)]
    worker = bench.seated_worker()
    params = bench.post(redundancy=3)
    drawn = bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: has_committed(bench, params))
    stored = set(bench.store.files)
    for _ in range(5):
        worker.tick()
    assert set(bench.store.files) == stored

    job_id = bench.requester.job_id_of(params)
    addresses = {other.address for other in others}
    for member in bench.market.members(drawn):
        if member.client.address in addresses:
            member.commit(job_id, an_outcome())
    tick_until(worker, lambda: bool(set(bench.store.files) - stored))
    (digest,) = set(bench.store.files) - stored
    tick_until(worker, lambda: _has_revealed(bench, params))
    assert revealed(bench, params).results_digest == digest


def _has_revealed(bench: Bench, params: JobParams) -> bool:
    job_id = bench.requester.job_id_of(params)
    return bool(bench.requester.events(job_id=job_id, kinds=(ResultRevealed,)))


def test_tick_after_losing_the_journal_reveals_what_was_committed(
    bench: Bench,
) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    params = bench.post()
    bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: has_committed(bench, params))
    assert state(bench, params) is JobState.REVEALING

    anew = bench.worker(data="another")
    tick_until(anew, lambda: state(bench, params) is JobState.ACCEPTED)
    assert bench.engine.batches == 2


def test_tick_after_a_restart_commits_what_was_computed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    params = bench.post()
    bench.market.draw(bench.requester, params)
    # As if killed before it could send the commitment.
    hold_back(worker, monkeypatch)
    tick_until(worker, lambda: _are_computed(worker))
    assert not has_committed(bench, params)
    worker.close()

    anew = bench.worker()
    tick_until(anew, lambda: state(bench, params) is JobState.ACCEPTED)
    assert bench.engine.batches == 1


def hold_back(worker: Worker, patch: pytest.MonkeyPatch) -> None:
    """Lets a worker compute and send nothing."""
    patch.setattr(worker._serving._submission.commits, "flush", lambda: None)


def test_tick_prompts_that_cannot_be_had_become_unavailable(bench: Bench) -> None:
    worker = bench.seated_worker()
    params = bench.post()
    drawn = bench.market.draw(bench.requester, params)
    for _ in range(20):
        worker.tick()
    assert not has_committed(bench, params)  # still time to find them

    bench.market.anvil.skip(_half_of_window(bench, drawn))
    tick_until(worker, lambda: state(bench, params).is_final)
    assert revealed(bench, params) == Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)


def _half_of_window(bench: Bench, drawn: CommitteeDrawn) -> int:
    window = drawn.commit_deadline - bench.requester.block_time()
    return window // 2 + 1


def test_tick_bytes_that_are_no_document_become_invalid(bench: Bench) -> None:
    digest = bench.store.put(b"not a document")
    worker = bench.seated_worker()
    params = bench.post(prompts_digest=digest)
    bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: state(bench, params) is JobState.ACCEPTED)
    assert revealed(bench, params) == Outcome.error(OutcomeStatus.INPUT_INVALID)


def test_tick_served_other_bytes_never_says_invalid(bench: Bench) -> None:
    digest = file_digest(bench.prompts.to_bytes())
    bench.store.files[digest] = b"other bytes"
    worker = bench.seated_worker()
    params = bench.post()
    drawn = bench.market.draw(bench.requester, params)
    bench.market.anvil.skip(_half_of_window(bench, drawn))
    tick_until(worker, lambda: state(bench, params).is_final)
    assert revealed(bench, params) == Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)


def test_tick_job_that_nobody_draws_is_drawn_for_the_bounty(bench: Bench) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    params = bench.post()
    bench.market.anvil.mine(2)
    worker.tick()
    assert state(bench, params) is JobState.OPEN  # the requester goes first
    bench.market.anvil.mine(4)
    tick_until(worker, lambda: state(bench, params) is JobState.ACCEPTED)


def test_tick_duties_of_several_jobs_share_their_transactions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    client = bench.market.client(2)
    client.approve(2 * client.config.seat_bond)
    client.deposit(2 * client.config.seat_bond)
    client.open_seats(bench.model.model_id, 0, 2)
    jobs = [bench.post() for _ in range(3)]
    for params in jobs:
        while (
            state(bench, params) is JobState.OPEN
        ):  # armed again if the seat was taken
            bench.market.anvil.mine(2)
            bench.requester.advance(params)
    with monkeypatch.context() as patched:
        hold_back(worker, patched)
        tick_until(worker, lambda: _are_computed(worker))
    tick_until(worker, lambda: all(state(bench, p) is JobState.ACCEPTED for p in jobs))
    for kind in (ResultCommitted, ResultRevealed):
        logs = await_logs(bench.requester, len(jobs), kinds=(kind,))
        assert len(logs) == len(jobs)
        assert len({log.tx_hash for log in logs}) == 1


def _are_computed(worker: Worker) -> bool:
    duties = worker._journal.live_duties()
    return bool(duties) and all(duty.outcome is not None for duty in duties)


def test_require_exact_float_profile_is_refused(bench: Bench) -> None:
    require_exact(bench.model.spec)
    floating = replace(bench.model.spec, profile=b"float-dev".ljust(32, b"\0"))
    with pytest.raises(ModelRefused, match="may give other results on other machines"):
        require_exact(floating)


@pytest.mark.parametrize(
    ("speed", "wanted", "seats"), [(20.0, 4, 1), (79.0, 4, 3), (1_000.0, 4, 4)]
)
def test_affordable_seats_follow_the_measured_speed(
    bench: Bench, speed: float, wanted: int, seats: int
) -> None:
    spec = replace(bench.model.spec, ms_per_token=50)
    assert affordable_seats(spec, speed, wanted) == seats


def test_affordable_seats_too_slow_for_one_is_refused(bench: Bench) -> None:
    spec = replace(bench.model.spec, ms_per_token=50)
    with pytest.raises(ModelRefused, match=r"computes 19\.9 tokens/s"):
        affordable_seats(spec, 19.9, 1)


def refusal(
    bench: Bench,
    folder: Path,
    options: EngineOptions = ENGINE_OPTIONS,
    **changes: Any,
) -> str:
    """What a worker says of a published package that it must not serve."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    digest = bench.store.put_directory(files)
    spec = replace(bench.model.spec, package_digest=digest, **changes)
    bench.requester.register_model(spec)
    with pytest.raises(ModelRefused) as caught:
        serve_model(
            bench.requester,
            bench.store,
            spec.model_id(),
            cache=bench.folder / "others",
            options=options,
            wrap_engine=lambda engine: engine,
        )
    return str(caught.value)


def test_serve_model_other_weights_root_is_refused(bench: Bench) -> None:
    said = refusal(bench, BUNDLED_MODEL, weights_root=b"\x07" * 32)
    assert f"registered with the weights root {'07' * 32}, its package has" in said


def test_serve_model_wrong_vector_is_named(bench: Bench, tmp_path: Path) -> None:
    folder = shutil.copytree(BUNDLED_MODEL, tmp_path / "package")
    vectors = json.loads((folder / "vectors.json").read_text())
    vectors["vectors"][2]["logits"][1] = "0" * 64
    (folder / "vectors.json").write_text(json.dumps(vectors))
    name = vectors["vectors"][2]["name"]
    assert f"vectors.json {name}='logits 1'" in refusal(bench, folder)


def test_serve_model_too_small_cache_is_refused(bench: Bench) -> None:
    options = replace(ENGINE_OPTIONS, cache_bytes=2**16)
    assert "raise cache_mib" in refusal(bench, BUNDLED_MODEL, options, base_price=3)
