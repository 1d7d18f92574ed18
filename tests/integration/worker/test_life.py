"""Starting, leaving and coming back: seats and bonds over a worker's life."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from protocol.chain.client import MarketClient
from protocol.errors import (
    NotEnoughFunds,
    RpcUnavailable,
    WaitTimedOut,
    WorkerError,
)
from protocol.market.types import JobParams, JobState
from tests.integration.worker.conftest import REAL_WORKER, Bench, tick_until
from tests.support.machines.processes import eventually
from tests.support.network.chain import WORKER_STAKE
from worker.duty import JobStage
from worker.money.requests import RequestServer, WithdrawRequest, ask_running_worker
from worker.money.wallet import unlock_stake, withdraw_credit
from worker.monitoring.snapshot import Snapshot, SnapshotReader
from worker.process.signals import Stop
from worker.run import Worker
from worker.seats.holdings import HeldSeat, Holdings, SeatState
from worker.seats.leaving import close_seats
from worker.seats.upkeep import SeatUpkeep

SECONDS = 60.0


def state(bench: Bench, params: JobParams) -> JobState:
    return bench.requester.state_of(bench.requester.job_id_of(params))


def seats_of(bench: Bench) -> list[HeldSeat]:
    client = bench.market.client(REAL_WORKER)
    return Holdings(client, client.address).read()


def snapshot_of(bench: Bench) -> Snapshot:
    client = bench.market.client(REAL_WORKER)
    reader = bench.market.client(None)
    holdings = Holdings(reader, client.address)
    return SnapshotReader(reader, holdings, bench.journal_path()).read()


def seconds_of_draining(worker: Worker, *, closes_seats: bool) -> None:
    """Run a worker that is told to drain from the first moment on."""
    stop = Stop()
    stop.drain(closes_seats=closes_seats)
    watchdog = threading.Timer(SECONDS, stop.set)
    watchdog.start()
    try:
        worker.run(stop)
    finally:
        watchdog.cancel()
    assert not stop.is_set(), "the drain did not end by itself"


def test_run_draining_with_a_drawn_job_serves_it_and_closes_the_seat(
    bench: Bench,
) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    params = bench.post()
    bench.market.draw(bench.requester, params)
    seconds_of_draining(worker, closes_seats=True)
    assert state(bench, params) is JobState.ACCEPTED
    assert [seat.is_closing for seat in seats_of(bench)] == [True]
    account = bench.requester.account_of(bench.market.client(REAL_WORKER).address)
    assert (account.completed, account.missed, account.slashed) == (1, 0, 0)


def test_run_draining_serves_a_draw_that_was_armed_before_it_closed(
    bench: Bench,
) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    params = bench.post()
    seconds_of_draining(worker, closes_seats=True)
    assert state(bench, params) is JobState.ACCEPTED


def test_run_draining_does_not_wait_for_a_job_that_cannot_draw_it(
    bench: Bench,
) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker(keeper=False)
    close_seats(bench.market.client(REAL_WORKER), seats_of(bench))
    bench.market.anvil.mine(3)
    params = bench.post()
    seconds_of_draining(worker, closes_seats=True)
    assert state(bench, params) is JobState.OPEN


def test_run_finishing_keeps_the_seats(bench: Bench) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    params = bench.post()
    bench.market.draw(bench.requester, params)
    seconds_of_draining(worker, closes_seats=False)
    assert state(bench, params) is JobState.ACCEPTED
    assert [seat.is_closing for seat in seats_of(bench)] == [False]


def test_run_draining_beyond_its_limit_says_what_is_owed(bench: Bench) -> None:
    # Nobody has the prompts, and the window is long.
    worker = bench.seated_worker(drain_seconds=0.5)
    params = bench.post()
    bench.market.draw(bench.requester, params)
    with pytest.raises(WaitTimedOut, match="1 jobs are unfinished after 0.5 s"):
        seconds_of_draining(worker, closes_seats=True)


def test_run_draining_while_the_chain_is_away_ends_at_its_limit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = bench.seated_worker(drain_seconds=0.5)
    bench.market.draw(bench.requester, bench.post())
    tick_until(worker, lambda: bool(worker._journal.live_duties()))

    def gone(*_: object, **__: object) -> None:
        raise RpcUnavailable("no answer")

    monkeypatch.setattr(worker._seats, "open", lambda: None)
    for name in ("head", "block_time", "block_number", "round_of"):
        monkeypatch.setattr(worker._client, name, gone)
    with pytest.raises(WaitTimedOut, match="the chain could not be seen"):
        seconds_of_draining(worker, closes_seats=False)


def test_snapshot_of_a_drawn_worker_shows_job_seat_and_stake(bench: Bench) -> None:
    bench.store.put(bench.prompts.to_bytes())
    worker = bench.seated_worker()
    before = snapshot_of(bench)
    assert before.seat_states(bench.model.model_id) == {SeatState.IDLE: 1}
    assert (before.stake, before.stake_at_risk) == (before.seat_bond, 0)
    assert before.duties == ()

    params = bench.post()
    drawn = bench.market.draw(bench.requester, params)
    tick_until(worker, lambda: bool(worker._journal.live_duties()))
    during = snapshot_of(bench)
    assert during.stake_at_risk == during.seat_bond
    assert during.seat_states(bench.model.model_id) == {SeatState.BUSY: 1}
    (duty,) = during.duties
    assert duty.job_id == bench.requester.job_id_of(params)
    assert duty.seat_id == drawn.seat_ids[0]
    assert duty.stage in (JobStage.COMPUTING, JobStage.COMMITTING, JobStage.REVEALING)

    tick_until(worker, lambda: state(bench, params) is JobState.ACCEPTED)
    after = snapshot_of(bench)
    assert after.duties == ()
    assert after.account.completed == 1
    assert after.gas_wei < before.gas_wei


def test_snapshot_without_a_journal_still_shows_the_chain(bench: Bench) -> None:
    bench.seated_worker()
    bench.journal_path().rename(bench.folder / "elsewhere.sqlite")
    assert len(snapshot_of(bench).seats) == 1


def test_holdings_read_finds_seats_opened_since_the_last_time(bench: Bench) -> None:
    bench.seated_worker()
    client = bench.market.client(REAL_WORKER)
    holdings = Holdings(client, client.address)
    first = holdings.read()
    bench.market.anvil.mine(200)
    client.approve(2 * client.config.seat_bond)
    client.deposit(2 * client.config.seat_bond)
    client.open_seats(bench.model.model_id, 3, 2)
    bench.market.worker(4, seats=0).open_seats(bench.model.model_id, 0, 1)
    assert [seat.tick for seat in holdings.read()] == [0, 3, 3]
    assert holdings.read()[0] == first[0]


@dataclass(slots=True)
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def an_upkeep(client: MarketClient, bench: Bench, **options: Any) -> SeatUpkeep:
    holdings = Holdings(client, client.address)
    return SeatUpkeep(client, holdings, [bench.model], tick=0, **options)


def test_upkeep_of_a_worker_back_from_a_drain_waits_for_its_bond(
    bench: Bench,
) -> None:
    client = bench.market.client(REAL_WORKER)
    client.faucet(client.config.seat_bond)
    clock = Clock()
    upkeep = an_upkeep(client, bench, max_seats=1, clock=clock)
    upkeep.open()
    close_seats(client, seats_of(bench))
    upkeep.open()  # nothing left to open one with, and no error
    assert [seat.is_closing for seat in seats_of(bench)] == [True]

    bench.market.anvil.mine(client.config.draw_deadline_blocks + 2)
    upkeep.recover_bonds()
    assert [seat.is_closing for seat in seats_of(bench)] == [False]
    assert client.account_of(client.address).credit == 0


def test_upkeep_opens_what_it_can_pay_while_bonds_are_awaited(bench: Bench) -> None:
    client = bench.market.client(REAL_WORKER)
    client.faucet(3 * client.config.seat_bond)
    two = an_upkeep(client, bench, max_seats=2)
    two.open()
    assert eventually(lambda: len(seats_of(bench)) == 2)
    close_seats(client, seats_of(bench))
    two.open()
    wanted = [True, True, False]
    assert eventually(lambda: [one.is_closing for one in seats_of(bench)] == wanted)


def test_upkeep_of_a_worker_without_money_says_what_is_missing(bench: Bench) -> None:
    client = bench.market.client(REAL_WORKER)
    upkeep = an_upkeep(client, bench, max_seats=1)
    with pytest.raises(NotEnoughFunds, match=f"{client.config.seat_bond} more units"):
        upkeep.open()


def test_upkeep_recovers_nothing_before_its_time(bench: Bench) -> None:
    client = bench.market.client(REAL_WORKER)
    client.faucet(client.config.seat_bond)
    clock = Clock()
    upkeep = an_upkeep(client, bench, max_seats=1, clock=clock)
    upkeep.open()
    close_seats(client, seats_of(bench))
    upkeep.open()
    upkeep.recover_bonds()
    bench.market.anvil.mine(client.config.draw_deadline_blocks + 2)
    clock.now += 29
    upkeep.recover_bonds()
    assert [seat.is_closing for seat in seats_of(bench)] == [True]
    clock.now += 1
    upkeep.recover_bonds()
    assert [seat.is_closing for seat in seats_of(bench)] == [False]


def test_unlock_stake_closes_waits_and_leaves_credit(bench: Bench) -> None:
    bench.seated_worker()
    client = bench.market.client(REAL_WORKER)
    told: list[str] = []

    def report(line: str) -> None:
        told.append(line)
        bench.market.anvil.mine(client.config.draw_deadline_blocks)

    left = unlock_stake(client, report, limit_seconds=SECONDS, poll_seconds=0.01)
    assert left == 1
    assert seats_of(bench) == []
    assert client.account_of(client.address).credit >= client.config.seat_bond
    assert told[0].startswith("1 seats leave by block ")


def test_unlock_stake_out_of_time_has_closed_and_can_go_on(bench: Bench) -> None:
    bench.seated_worker()
    client = bench.market.client(REAL_WORKER)
    with pytest.raises(WaitTimedOut, match="nothing is lost"):
        unlock_stake(client, lambda _: None, limit_seconds=-1)
    assert [seat.is_closing for seat in seats_of(bench)] == [True]


def test_withdraw_credit_pays_out_part_and_then_all(bench: Bench) -> None:
    client = bench.market.worker(REAL_WORKER, seats=0)
    receiver = bench.market.client(7).address
    part = withdraw_credit(client, 5, receiver)
    assert (part.amount, part.credit_left) == (5, WORKER_STAKE - 5)
    rest = withdraw_credit(client, None, receiver)
    assert rest.credit_left == 0
    assert client.token_balance(receiver) == WORKER_STAKE
    with pytest.raises(NotEnoughFunds, match="has a credit of 0 units"):
        withdraw_credit(client, None, receiver)


def served(server: RequestServer, ask: Callable[[], object]) -> object:
    """What a running worker answers to a command."""
    answers: list[object] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def is_answered() -> bool:
        server.answer_all()
        return bool(answers)

    assert eventually(is_answered, SECONDS)
    thread.join()
    return answers[0]


def test_request_server_of_a_running_worker_pays_out_for_a_command(
    bench: Bench,
) -> None:
    client = bench.market.worker(REAL_WORKER, seats=0)
    receiver = bench.market.client(7).address
    server = RequestServer(bench.folder, client)
    before = client.token_balance(receiver)

    def ask() -> object:
        request = WithdrawRequest(7, receiver)
        return ask_running_worker(bench.folder, request, limit_seconds=SECONDS)

    done = served(server, ask)
    assert getattr(done, "amount", None) == 7, done
    assert client.token_balance(receiver) == before + 7
    assert list((bench.folder / "control").iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (WithdrawRequest(WORKER_STAKE + 1, None), "cannot be withdrawn"),
        (WithdrawRequest(1, "0x12"), "is no address"),
        (WithdrawRequest(1, "0x" + "00" * 20), "would be lost"),
    ],
)
def test_request_server_of_a_running_worker_refuses_with_the_reason(
    bench: Bench, asked: WithdrawRequest, said: str
) -> None:
    client = bench.market.worker(REAL_WORKER, seats=0)
    server = RequestServer(bench.folder, client)
    refusal = served(
        server, lambda: ask_running_worker(bench.folder, asked, limit_seconds=SECONDS)
    )
    assert isinstance(refusal, WorkerError)
    assert said in str(refusal)


def test_request_server_never_does_what_nobody_waits_for_any_more(bench: Bench) -> None:
    client = bench.market.worker(REAL_WORKER, seats=0)
    server = RequestServer(bench.folder, client)
    with pytest.raises(WaitTimedOut, match="nothing was done"):
        ask_running_worker(bench.folder, WithdrawRequest(7, None), limit_seconds=0)
    server.answer_all()
    # Left by a command that was killed while no worker ran.
    (bench.folder / "control" / "f00.asked.json").write_text(
        '{"amount": 7, "to": null}'
    )
    RequestServer(bench.folder, client).answer_all()
    assert client.account_of(client.address).credit == WORKER_STAKE
