"""Every way a job can go, on both databases: who is told what, and who pays."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.database.engine import Database
from gateway.jobs import job_records
from gateway.jobs.calls import adopt_orphans, release_waiting
from gateway.jobs.tables import CallFault, CallState, SharedJobStage
from protocol.errors import (
    ContractReverted,
    GasPriceTooHigh,
    NotEnoughFunds,
    RpcUnavailable,
    SpendingCapReached,
    StoreUnavailable,
    TransactionDropped,
)
from tests.unit.gateway.jobs.desk import REPLICA, Desk

DOWN = RpcUnavailable("the node does not answer")
GONE = CallFault(503, "gone")


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk.build(database, tmp_path)


def answered(desk: Desk, call_id: str) -> list[str]:
    outputs = desk.call(call_id).outputs
    assert outputs is not None
    return [output.text for output in outputs]


def test_step_by_step_a_shared_job_answers_and_charges_each_its_own(desk: Desk) -> None:
    one, other = desk.key(), desk.key()
    desk.reserve("a", ["x"], one)
    desk.reserve("b", ["y", "z"], other)
    job = desk.draft("a", "b")
    assert desk.step(job).stage == SharedJobStage.POSTED
    assert desk.call("a").state == CallState.POSTED
    assert desk.step(job).stage == SharedJobStage.POSTED
    desk.answer(job, [" one", " two", " three"])
    row = desk.step(job)
    assert row.stage == SharedJobStage.SETTLED
    assert desk.woken == ["a", "b"]
    assert answered(desk, "a") == [" one"]
    assert answered(desk, "b") == [" two", " three"]
    charges = [desk.call(call_id).charge or 0 for call_id in "ab"]
    assert sum(charges) == row.cost
    assert row.absorbed == 0
    # One prompt of two thirds of the work pays less than two.
    assert 0 < charges[0] < charges[1]
    for key_id, charge in zip((one, other), charges, strict=True):
        assert desk.balance(key_id).spent == charge
        assert desk.balance(key_id).reserved == 0
    assert row.content is None


def test_step_repeated_from_any_stage_changes_nothing_twice(desk: Desk) -> None:
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    stale = [desk.draft("a")]
    job = stale[0]
    desk.step(job)
    stale.append(desk.live(job.job_id))
    desk.answer(job, [" one"])
    desk.step(job)
    spent = desk.balance(key_id).spent
    posted = len(desk.world.market.jobs)
    # A replica that was held up goes on with what it read long ago.
    for old in stale:
        desk.runner.step(old)
    assert desk.balance(key_id).spent == spent
    assert desk.balance(key_id).reserved == 0
    assert len(desk.world.market.jobs) == posted
    assert desk.woken == ["a"]


def test_posting_that_fails_in_doubt_is_tried_again(desk: Desk) -> None:
    desk.reserve("a", ["x"], desk.key())
    job = desk.draft("a")
    desk.world.market.failures.append(DOWN)
    assert desk.step(job).stage == SharedJobStage.POSTING
    assert desk.call("a").state == CallState.RESERVED
    assert desk.step(job).stage == SharedJobStage.POSTED


@pytest.mark.parametrize("error", [DOWN, TransactionDropped("not mined")])
def test_posting_that_landed_unnoticed_is_not_repeated(
    desk: Desk, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.reserve("a", ["x"], desk.key())
    job = desk.draft("a")
    market = desk.world.market
    post = market.post_job

    def post_and_fail(params: object) -> object:
        post(params)  # type: ignore[arg-type]
        raise error

    monkeypatch.setattr(market, "post_job", post_and_fail)
    assert desk.step(job).stage == SharedJobStage.POSTING
    # A second posting would fail the test.
    assert desk.step(job).stage == SharedJobStage.POSTED
    assert len(market.jobs) == 1


def test_posting_in_doubt_for_too_long_is_free_and_absorbed_if_it_landed(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk.build(database, tmp_path, patience=0)
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    job = desk.draft("a")
    desk.world.market.failures.append(DOWN)
    assert desk.step(job).stage == SharedJobStage.ABANDONED
    call = desk.call("a")
    assert (call.state, call.charge) == (CallState.RELEASED, 0)
    assert call.fault is not None and call.fault.status == 503
    assert desk.woken == ["a"]
    assert desk.balance(key_id).reserved == 0
    # The transaction is mined after all.
    desk.world.market.allowed = 10**12
    desk.world.market.post_job(job.params)
    desk.answer(job, [" one"])
    row = desk.step(job)
    assert row.stage == SharedJobStage.SETTLED
    assert row.cost == row.absorbed
    assert row.cost is not None and row.cost > 0
    assert desk.balance(key_id).spent == 0
    assert desk.call("a").state == CallState.RELEASED


def test_posting_in_doubt_that_never_landed_is_forgotten(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk.build(database, tmp_path, patience=0)
    desk.reserve("a", ["x"], desk.key())
    job = desk.draft("a")
    desk.world.market.failures.append(DOWN)
    desk.step(job)
    assert desk.step(job).stage == SharedJobStage.ABANDONED
    desk.age(job, 4_000)
    row = desk.step(job)
    assert (row.stage, row.cost, row.content) == (SharedJobStage.FORGOTTEN, 0, None)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ContractReverted("RosterTooThin", (1, 3)), 503),
        (ContractReverted("PayAboveBond", (9, 5)), 400),
        (NotEnoughFunds("0xWALLET has 0 wei"), 503),
        (GasPriceTooHigh("gas costs 9 wei"), 503),
        (SpendingCapReached("0xWALLET spent 9 wei"), 503),
    ],
)
def test_posting_that_the_market_refuses_is_free(
    desk: Desk, error: Exception, status: int
) -> None:
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    job = desk.draft("a")
    desk.world.market.failures.append(error)
    assert desk.step(job).stage == SharedJobStage.FORGOTTEN
    call = desk.call("a")
    assert call.state == CallState.RELEASED
    assert call.fault is not None and call.fault.status == status
    assert "0xWALLET" not in call.fault.message
    assert (desk.balance(key_id).spent, desk.balance(key_id).reserved) == (0, 0)
    assert desk.world.market.jobs == {}


def test_drafted_job_of_a_poor_wallet_is_not_posted(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk.build(database, tmp_path, tokens=5)
    desk.reserve("a", ["x"], desk.key())
    assert desk.step(desk.draft("a")).stage == SharedJobStage.FORGOTTEN
    told = CallFault(503, "the gateway's wallet cannot pay for a job now")
    assert desk.call("a").fault == told


def test_drafted_job_without_a_content_store_is_not_posted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: bytes) -> None:
        raise StoreUnavailable("no answer")

    desk.reserve("a", ["x"], desk.key())
    job = desk.draft("a")
    monkeypatch.setattr(desk.world.store, "put", fail)
    assert desk.step(job).stage == SharedJobStage.FORGOTTEN
    fault = desk.call("a").fault
    assert fault is not None and fault.status == 503
    assert desk.world.market.jobs == {}


def test_allowance_is_given_once_for_all_jobs(desk: Desk) -> None:
    for call_id in "abc":
        desk.reserve(call_id, ["x"], desk.key())
        desk.step(desk.draft(call_id))
    assert desk.world.market.approved == [(1 << 256) - 1]


def test_job_that_fails_gives_all_back_and_says_why(desk: Desk) -> None:
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    job = desk.draft("a")
    desk.step(job)
    desk.world.market.mine(400)
    desk.step(job)
    row = desk.step(job)
    assert row.stage == SharedJobStage.FAILED
    assert row.absorbed == row.cost
    call = desk.call("a")
    assert (call.state, call.charge) == (CallState.REFUNDED, 0)
    assert call.fault is not None and call.fault.status == 502
    assert "no committee could be drawn" in call.fault.message
    assert (desk.balance(key_id).spent, desk.balance(key_id).reserved) == (0, 0)


def test_results_out_of_reach_are_waited_for_and_then_given_up(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk.build(database, tmp_path, results_patience=100)
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    job = desk.draft("a")
    desk.step(job)
    desk.answer(job, [" one"])
    outcome = desk.world.market.jobs[job.job_id].outcomes[0]
    kept = desk.world.store.files.pop(outcome.results_digest)
    with pytest.raises(Exception, match="0x|Qm"):
        desk.step(job)
    assert desk.call("a").state == CallState.POSTED
    desk.age(job, 200)
    row = desk.step(job)
    assert row.stage == SharedJobStage.FAILED
    assert row.absorbed == row.cost
    assert desk.call("a").state == CallState.REFUNDED
    assert desk.balance(key_id).spent == 0
    assert kept


def test_posting_that_a_reorganisation_took_is_sent_again(desk: Desk) -> None:
    desk.reserve("a", ["x"], desk.key())
    job = desk.draft("a")
    desk.step(job)
    market = desk.world.market
    market.logs = [log for log in market.logs if not hasattr(log.event, "job_id")]
    del market.jobs[job.job_id]
    desk.step(job)
    assert job.job_id in market.jobs
    desk.answer(job, [" one"])
    assert desk.step(job).stage == SharedJobStage.SETTLED


def test_claim_of_a_silent_replicas_draft_ends_its_calls_and_keeps_lines(
    desk: Desk,
) -> None:
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    desk.reserve("line", ["y"], key_id, batch_id="batch_1")
    job = desk.draft("a", "line")
    claim = job_records.claim_expired
    assert desk.database.write(lambda s: claim(s, "two", 60, GONE)) == []
    desk.database.write(lambda s: job_records.let_go(s, REPLICA))
    assert desk.database.write(lambda s: claim(s, "two", 60, GONE)) == ["a"]
    assert desk.job(job.job_id).stage == SharedJobStage.FORGOTTEN
    assert desk.call("a").state == CallState.RELEASED
    line = desk.call("line")
    assert (line.state, line.job_id, line.replica) == ("reserved", None, "two")
    assert desk.balance(key_id).reserved == line.reserved


def test_claim_of_a_silent_replicas_posting_leaves_its_calls_alone(desk: Desk) -> None:
    desk.reserve("a", ["x"], desk.key())
    job = desk.draft("a")
    desk.world.market.failures.append(DOWN)
    desk.step(job)
    desk.database.write(lambda s: job_records.let_go(s, REPLICA))
    claim = job_records.claim_expired
    assert desk.database.write(lambda s: claim(s, "two", 60, GONE)) == []
    assert desk.job(job.job_id).holder == "two"
    assert desk.call("a").state == CallState.RESERVED


def test_adopt_orphans_ends_callers_of_dead_replicas(desk: Desk) -> None:
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    desk.reserve("line", ["y"], key_id, batch_id="batch_1")
    assert desk.database.write(lambda s: adopt_orphans(s, "two", GONE)) == 2
    assert desk.call("a").state == CallState.RELEASED
    assert desk.call("line").replica == "two"
    assert desk.database.write(lambda s: adopt_orphans(s, "two", GONE)) == 0


def test_release_waiting_takes_back_only_what_has_no_job(desk: Desk) -> None:
    key_id = desk.key()
    desk.reserve("a", ["x"], key_id)
    desk.reserve("b", ["x"], key_id)
    desk.draft("b")
    release = release_waiting
    assert desk.database.write(lambda s: release(s, "a", GONE))
    assert not desk.database.write(lambda s: release(s, "a", GONE))
    assert not desk.database.write(lambda s: release(s, "b", GONE))
    assert desk.balance(key_id).reserved == desk.call("b").reserved


def test_line_of_a_batch_that_meets_a_passing_fault_waits_again(desk: Desk) -> None:
    key_id = desk.key()
    desk.reserve("line", ["y"], key_id, batch_id="batch_1")
    job = desk.draft("line")
    desk.world.market.failures.append(ContractReverted("RosterTooThin", (1, 3)))
    desk.step(job)
    line = desk.call("line")
    assert (line.state, line.job_id, line.reserved) == ("queued", None, 0)
    assert desk.balance(key_id).reserved == 0
