"""The index of a real chain: the contract's own books say the same."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devnet.processes.anvil import Anvil, local_chain
from gateway.database.engine import Database
from gateway.indexer.costs import fill_costs
from gateway.indexer.indexer import Indexer
from gateway.indexer.projection import Verdict
from gateway.indexer.service import IndexService, market_of
from gateway.market_data.accounts import find_participant
from gateway.market_data.histories import JobHistory, job_history
from gateway.market_data.jobs import JobFilter, list_jobs
from gateway.market_data.models import list_models
from gateway.market_data.overview import gas_per_prompt, overview
from protocol.chain.client import MarketClient
from protocol.hexadecimal import to_hex
from protocol.market.types import JobId, JobParams, JobState, Outcome, OutcomeStatus
from tests.integration.gateway.index_contents import contents
from tests.support.machines.databases import open_quick
from tests.support.machines.processes import eventually
from tests.support.market.values import an_outcome
from tests.support.network.chain import FIRST_WORKER, Player, Stage

WORKERS = range(FIRST_WORKER, FIRST_WORKER + 8)
RIGHT, WRONG = an_outcome("right"), an_outcome("wrong")
UNAVAILABLE = Outcome.error(OutcomeStatus.INPUT_UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Scene:
    """A market in which everything has happened once."""

    market: Stage
    requester: MarketClient
    jobs: dict[str, JobParams]

    def job_id(self, name: str) -> JobId:
        return self.requester.job_id_of(self.jobs[name])


def _draw(scene: Scene, name: str, **changes: object) -> list[Player]:
    params = scene.market.job(scene.requester, **changes)
    scene.jobs[name] = params
    scene.requester.post_job(params)
    return scene.market.members(scene.market.draw(scene.requester, params))


def _serve(scene: Scene, name: str, members: list[Player], *said: Outcome) -> None:
    job_id = scene.job_id(name)
    for member, outcome in zip(members, said, strict=False):
        member.commit(job_id, outcome)
    if len(said) < len(members):
        _let_pass(scene, job_id)
    for member, outcome in zip(members, said, strict=False):
        member.reveal(scene.jobs[name], outcome)


def _let_pass(scene: Scene, job_id: JobId) -> None:
    deadline = scene.requester.round_of(job_id).deadline
    scene.market.anvil.skip(deadline - scene.requester.block_time() + 1)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with local_chain() as anvil:
        yield anvil


@pytest.fixture(scope="module")
def scene(node: Anvil) -> Scene:
    market = Stage.deploy(node)
    market.client(0).register_model(market.model)
    for index in WORKERS:
        market.worker(index, seats=2)
    scene = Scene(market, market.requester(), {})
    _serve(scene, "agreed", _draw(scene, "agreed"), RIGHT, RIGHT, RIGHT)
    _serve(scene, "liar", _draw(scene, "liar"), RIGHT, WRONG, RIGHT)
    _serve(scene, "unavailable", _draw(scene, "unavailable"), RIGHT, RIGHT, UNAVAILABLE)
    members = _draw(scene, "split", max_rounds=2)
    _serve(scene, "split", members, RIGHT, WRONG)
    members = market.members(market.draw(scene.requester, scene.jobs["split"]))
    _serve(scene, "split", members, *[RIGHT] * len(members))
    scene.jobs["cancelled"] = market.job(scene.requester)
    scene.requester.post_job(scene.jobs["cancelled"])
    scene.requester.cancel_job(scene.jobs["cancelled"])
    _serve(scene, "failed", _draw(scene, "failed"), RIGHT)
    members = _draw(scene, "live")
    members[0].commit(scene.job_id("live"), RIGHT)
    return scene


def _index(database: Database, reader: MarketClient) -> None:
    indexer = Indexer(database, reader, market_of(reader))
    while indexer.step().lag_blocks:
        pass
    indexer.resign()


def _history(database: Database, scene: Scene, name: str) -> JobHistory:
    with database.reading() as session:
        history = job_history(session, scene.job_id(name))
    assert history is not None
    return history


def test_index_has_each_job_in_the_state_of_the_contract(
    database: Database, scene: Scene
) -> None:
    _index(database, scene.requester)
    for name in scene.jobs:
        summary = _history(database, scene, name).summary
        assert summary.state == scene.requester.state_of(scene.job_id(name)), name
    with database.reading() as session:
        assert len(list_jobs(session, JobFilter()).items) == len(scene.jobs)
        assert len(list_jobs(session, JobFilter(states=[JobState.ACCEPTED])).items) == 4
        (model,) = list_models(session)
    assert model.spec == scene.market.model
    assert model.jobs_posted == len(scene.jobs)


def test_index_proves_the_accepted_outcomes_against_the_contract(
    database: Database, scene: Scene
) -> None:
    _index(database, scene.requester)
    for name in ("agreed", "liar", "unavailable", "split"):
        history = _history(database, scene, name)
        outcome = history.timeline.outcome
        assert outcome is not None
        assert outcome.results_digest == history.summary.results_digest
        assert scene.requester.is_recorded(
            scene.job_id(name), outcome, history.timeline.transcript
        )


def test_index_keeps_the_same_records_as_the_contract(
    database: Database, scene: Scene
) -> None:
    _index(database, scene.requester)
    bond = scene.requester.config.seat_bond
    for index in (1, *WORKERS):
        address = scene.market.client(index).address
        account = scene.requester.account_of(address)
        with database.reading() as session:
            found = find_participant(session, address)
        assert found is not None
        assert (found.completed, found.missed, found.slashed_count) == (
            account.completed,
            account.missed,
            account.slashed,
        )
        assert (found.seats_open, found.jobs_posted) == (account.seats, account.posted)
        if found.is_worker:
            # A worker's credit, from every way that money takes.
            held = bond * found.seats_open + found.slashed + found.withdrawn
            assert account.credit == (
                found.deposited + found.earned + found.bounties - held
            )


def test_index_balances_every_job_that_has_ended(
    database: Database, scene: Scene
) -> None:
    _index(database, scene.requester)
    with database.reading() as session:
        jobs = list_jobs(session, JobFilter()).items
    ended = [job for job in jobs if job.state in (JobState.ACCEPTED, JobState.FAILED)]
    assert len(ended) == 5
    for job in ended:
        assert job.escrowed == (job.paid or 0) + (job.refunded or 0) + (job.fee or 0)


def test_index_judges_members_as_the_contract_did(
    database: Database, scene: Scene
) -> None:
    _index(database, scene.requester)
    verdicts = {
        name: sorted(
            (one.number, member.verdict)
            for one in _history(database, scene, name).rounds
            for member in one.members
        )
        for name in scene.jobs
    }
    agreed = Verdict.AGREED
    assert verdicts["agreed"] == [(1, agreed)] * 3
    assert verdicts["liar"] == [(1, agreed)] * 2 + [(1, Verdict.WRONG_RESULT)]
    assert verdicts["unavailable"] == [(1, agreed)] * 2 + [(1, Verdict.UNAVAILABLE)]
    assert verdicts["split"][:3] == [
        (1, agreed),
        (1, Verdict.NO_SHOW),
        (1, Verdict.WRONG_RESULT),
    ]
    assert (1, Verdict.NO_SHOW) in verdicts["failed"]
    assert verdicts["cancelled"] == []
    assert verdicts["live"] == [(1, Verdict.PENDING)] * 3


def test_fill_costs_of_a_real_chain_gives_the_gas_of_receipts(
    database: Database, scene: Scene
) -> None:
    _index(database, scene.requester)
    while fill_costs(database, scene.requester, limit=20) == 20:
        pass
    history = _history(database, scene, "agreed")
    used = 0
    for cost in history.costs:
        tx_hash = to_hex(cost.tx_hash)
        receipt = scene.market.anvil.rpc("eth_getTransactionReceipt", tx_hash)
        used += int(receipt["gasUsed"], 16)
    # Posting, draw, three commits and three reveals.
    assert len(history.costs) == 8
    assert history.gas_used == used > 0
    with database.reading() as session:
        mean = gas_per_prompt(session)
        seen = overview(session)
    assert mean is not None
    assert seen.gas_per_prompt == mean > 10_000
    assert seen.staked == seen.seats_open * scene.requester.config.seat_bond


def test_index_after_a_reorg_of_a_real_chain_equals_a_fresh_one(
    database: Database, scene: Scene, migrated_sqlite: Path, tmp_path: Path
) -> None:
    fresh_path = tmp_path / "fresh.sqlite"
    shutil.copyfile(migrated_sqlite, fresh_path)
    node, reader = scene.market.anvil, scene.requester
    with node.undone(), open_quick(f"sqlite:///{fresh_path}") as fresh:
        members = _draw(scene, "reorganised")
        _serve(scene, "reorganised", members, RIGHT, RIGHT, RIGHT)
        _index(database, reader)
        node.rpc("anvil_reorg", 5, [])
        scene.market.worker(FIRST_WORKER, seats=1)
        _index(database, reader)
        _index(fresh, reader)
        assert contents(database) == contents(fresh)
        state = _history(database, scene, "reorganised").summary.state
        assert state == reader.state_of(scene.job_id("reorganised"))
        assert state is not JobState.ACCEPTED
        del scene.jobs["reorganised"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_service_on_a_live_chain_lags_one_block_at_most(database: Database) -> None:
    with local_chain() as node:
        market = Stage.deploy(node)
        depositor = market.worker(FIRST_WORKER, seats=0)
        depositor.faucet(1_000)
        depositor.approve(1_000)
        node.rpc("evm_setIntervalMining", 2)
        service = IndexService(
            database, depositor, market_of(depositor), poll_seconds=0.1
        )
        service.start()
        try:
            assert eventually(lambda: service.status.head == depositor.block_number())
            lags: list[int] = []
            for amount in range(1, 6):
                depositor.deposit(amount)
                head = depositor.block_number()
                lags.append(head - (service.status.head or 0))
                end = time.monotonic() + 1
                while time.monotonic() < end:
                    head = depositor.block_number()
                    lags.append(head - (service.status.head or 0))
            assert max(lags) <= 1
            assert eventually(
                lambda: service.status.head == depositor.block_number(), seconds=20
            )
        finally:
            service.stop()
    with database.reading() as session:
        found = find_participant(session, depositor.address)
    assert found is not None
    assert found.deposited == 200_000_000 + sum(range(1, 6))
