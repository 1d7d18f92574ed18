"""A whole job on the kinds of chains that a deployment may meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from assay.doctor import diagnose
from assay.findings import Level
from devnet.processes.anvil import local_chain
from protocol.chain.client import MarketClient
from protocol.chain.cursor import EventCursor
from protocol.market.round_state import ROUND_EVENTS
from protocol.market.types import JobParams, JobState
from tests.support.machines.processes import eventually
from tests.support.market.values import an_outcome
from tests.support.network.chain import Stage
from worker.gas_policy import GasGuard
from worker.process.background import TaskPool
from worker.rounds.following import Rounds
from worker.rounds.keeper import Keeper

WORKERS = (2, 3, 4)
# The two newest that Anvil 1.7.1 runs; `amsterdam`, which it lists too, makes it panic.
FORKS = ("prague", "osaka")
BLOCK_SECONDS = 2


@contextmanager
def _market(*options: str) -> Iterator[Stage]:
    """A marketplace with workers, deployed at its deterministic addresses."""
    with local_chain(*options) as node:
        market = Stage.deploy(node, has_plain_addresses=False)
        market.client(0).register_model(market.model)
        for index in WORKERS:
            market.worker(index)
        yield market


def _serve(market: Stage, requester: MarketClient, params: JobParams) -> None:
    """The committee answers, all of its members at once."""
    job_id = requester.job_id_of(params)
    logs = requester.events(job_id=job_id)
    drawn = next(log.event for log in logs if hasattr(log.event, "seat_ids"))
    members = market.members(drawn)  # type: ignore[arg-type]
    outcome = an_outcome()
    with ThreadPoolExecutor(len(members)) as pool:
        list(pool.map(lambda member: member.commit(job_id, outcome), members))
        list(pool.map(lambda member: member.reveal(params, outcome), members))
    assert requester.state_of(job_id) == JobState.ACCEPTED


def _faults(market: Stage) -> list[str]:
    found = diagnose(market.anvil.url, market.deployment)
    return [f"{f.what}: {f.fact}" for f in found if f.level is Level.BAD]


@pytest.mark.parametrize("fork", FORKS)
def test_job_on_a_fork_is_accepted(fork: str) -> None:
    with _market("--hardfork", fork) as market:
        requester = market.requester()
        params = market.post(requester)
        market.draw(requester, params)
        _serve(market, requester, params)
        assert _faults(market) == []


def test_job_on_instant_blocks_is_drawn_by_the_keeper() -> None:
    """Nobody else sends anything, so the keeper mines the seed block itself."""
    with _market() as market:
        requester = market.requester()
        params = market.post(requester)
        job_id = requester.job_id_of(params)
        client = market.client(9)
        rounds = Rounds(client, reveal_window_seconds=60)
        background = TaskPool()
        guard = GasGuard(client, token_wei=None)
        keeper = Keeper(client, rounds, background, guard)
        cursor = EventCursor(
            client, start_block=client.block_number(), kinds=ROUND_EVENTS
        )

        def is_drawn() -> bool:
            rounds.apply(cursor.poll())
            keeper.advance([(job_id, params)], [], client.block_time())
            background.collect()
            return requester.state_of(job_id) != JobState.OPEN

        assert eventually(is_drawn)
        assert requester.state_of(job_id) == JobState.COMMITTING
        _serve(market, requester, params)


def test_job_on_blocks_of_two_seconds_is_accepted() -> None:
    with _market() as market:
        requester = market.requester()
        market.anvil.rpc("evm_setIntervalMining", BLOCK_SECONDS)
        params = market.job(requester)
        posted = requester.post_job(params)
        job_id = requester.job_id_of(params)
        assert not requester.mine_on_demand()
        while requester.block_number() < posted.block_number + 2:
            threading.Event().wait(0.1)
        requester.advance(params)
        _serve(market, requester, params)
        end = requester.block_number()
        # Seed two blocks on, draw, commits, reveals: four blocks, one more if late.
        assert end - posted.block_number <= 6
        assert requester.state_of(job_id) == JobState.ACCEPTED
