"""Reorganisations of several blocks at every stage of a job: nothing is lost by them.

Anvil puts empty blocks in the place of those it drops, and forgets their transactions.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devnet.processes.anvil import Anvil, development_account
from protocol.chain.client import MarketClient
from protocol.chain.cursor import EventCursor
from protocol.chain.transactions.options import SenderOptions
from protocol.market.events import (
    CommitteeDrawn,
    JobPosted,
    JobSettled,
    Log,
    ResultCommitted,
    ResultRevealed,
    SeatSlashed,
)
from protocol.market.types import JobParams, JobState, Outcome
from tests.support.faults.faulty_proxy import FaultyProxy, status
from tests.support.machines.processes import eventually
from tests.support.market.values import an_outcome
from tests.support.network.chain import Player, Stage

WORKERS = (2, 3, 4)


@dataclass(slots=True)
class Scene:
    """A job that is brought forward, and what a cursor has told of it."""

    market: Stage
    requester: MarketClient
    params: JobParams
    cursor: EventCursor
    logs: list[Log] = field(default_factory=list)
    rewinds: int = 0

    def poll(self) -> None:
        batch = self.cursor.poll()
        if batch.rewound_to is not None:
            self.rewinds += 1
            kept = [log for log in self.logs if log.block_number <= batch.rewound_to]
            self.logs = kept
        self.logs += batch.logs

    def kinds(self) -> list[str]:
        self.poll()
        return [type(log.event).__name__ for log in self.logs]

    def state(self) -> JobState:
        return self.requester.state_of(self.requester.job_id_of(self.params))

    def post(self) -> None:
        self.requester.post_job(self.params)

    def draw(self) -> None:
        self.market.draw(self.requester, self.params)

    def members(self) -> list[Player]:
        """By what the cursor told last."""
        self.poll()
        drawn = [x.event for x in self.logs if isinstance(x.event, CommitteeDrawn)]
        return self.market.members(drawn[-1])

    def commit(self) -> None:
        job_id = self.requester.job_id_of(self.params)
        for member in self.members():
            member.commit(job_id, _outcome())

    def reveal(self) -> None:
        for member in self.members():
            member.reveal(self.params, _outcome())

    def reorganise(self, depth: int) -> None:
        self.market.anvil.rpc("anvil_reorg", depth, [])


def _outcome() -> Outcome:
    return an_outcome("right")


@pytest.fixture
def scene(own_anvil: Anvil) -> Scene:
    market = Stage.deploy(own_anvil)
    market.client(0).register_model(market.model)
    for index in WORKERS:
        market.worker(index)
    requester = market.requester()
    kinds = (
        JobPosted,
        CommitteeDrawn,
        ResultCommitted,
        ResultRevealed,
        JobSettled,
        SeatSlashed,
    )
    start = requester.block_number()
    cursor = EventCursor(requester, start_block=start, kinds=kinds)
    return Scene(market, requester, market.job(requester), cursor)


STEPS: list[Callable[[Scene], None]] = [
    Scene.post,
    Scene.draw,
    Scene.commit,
    Scene.reveal,
]
WHOLE_LIFE = [
    "JobPosted",
    "CommitteeDrawn",
    *["ResultCommitted"] * 3,
    *["ResultRevealed"] * 3,
    "JobSettled",
]


@pytest.mark.parametrize(
    ("done", "depth", "redo"),
    [
        (1, 1, 0),  # the job is gone
        (2, 3, 1),  # before any commit: the draw and its seed block are gone
        (3, 2, 2),  # after the commits: two of three are gone
        (3, 4, 1),  # all of them, and the draw
        (4, 5, 2),  # all reveals and two commits
    ],
)
def test_a_job_that_is_reorganised_is_settled_all_the_same(
    scene: Scene, done: int, depth: int, redo: int
) -> None:
    for step in STEPS[:done]:
        step(scene)
    scene.poll()
    scene.reorganise(depth)
    scene.poll()
    assert scene.rewinds == 1
    for step in STEPS[redo:]:
        _again(scene, step)
    assert scene.state() is JobState.ACCEPTED
    assert scene.kinds() == WHOLE_LIFE
    # Of the job that stands, each event is one of the chain's now.
    for log in scene.logs:
        assert scene.requester.block_hash(log.block_number) == log.block_hash


def _again(scene: Scene, step: Callable[[Scene], None]) -> None:
    """Do what is missing of a step: what a reorganisation left is left alone."""
    if step is Scene.commit:
        done = {
            x.event.place for x in scene.logs if isinstance(x.event, ResultCommitted)
        }
        for member in scene.members():
            if member.place not in done:
                job_id = scene.requester.job_id_of(scene.params)
                member.commit(job_id, _outcome())
    elif step is Scene.reveal:
        scene.poll()
        done = {
            x.event.place for x in scene.logs if isinstance(x.event, ResultRevealed)
        }
        for member in scene.members():
            if member.place not in done:
                member.reveal(scene.params, _outcome())
    else:
        step(scene)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_poll_with_enough_confirmations_never_takes_back(
    scene: Scene, depth: int
) -> None:
    start = scene.requester.block_number()
    careful = EventCursor(
        scene.requester, start_block=start, confirmations=3, kinds=(JobPosted,)
    )
    scene.post()
    scene.market.anvil.mine(depth - 1)
    assert careful.poll().logs == ()
    scene.reorganise(depth)
    scene.post()
    delivered: list[Log] = []
    for _ in range(4):
        batch = careful.poll()
        assert batch.rewound_to is None
        delivered += batch.logs
        scene.market.anvil.mine()
    (log,) = delivered
    assert scene.requester.block_hash(log.block_number) == log.block_hash


def test_send_that_a_reorganisation_undid_meanwhile_is_mined_again(
    own_anvil: Anvil, tmp_path: Path
) -> None:
    """It was mined and dropped before the sender could see the receipt."""
    market = Stage.deploy(own_anvil)
    options = SenderOptions(outbox_path=tmp_path / "outbox.sqlite")
    with FaultyProxy(own_anvil.url) as proxy, ThreadPoolExecutor() as pool:
        client = MarketClient.connect(
            proxy.url, market.deployment, development_account(8), options=options
        )
        proxy.use(status(503), methods={"eth_getTransactionReceipt"})
        before = client.block_number()
        sent = pool.submit(client.faucet, 5)
        assert eventually(lambda: int(own_anvil.rpc("eth_blockNumber"), 16) > before)
        own_anvil.rpc("anvil_reorg", 1, [])
        assert client.token_balance(client.address) == 0
        proxy.heal()
        result = sent.result()
        assert client.token_balance(client.address) == 5
        assert client.block_hash(result.block_number) is not None
        assert client.sender.pending_count == 0


def test_send_after_a_reorganisation_of_own_transactions_goes_on(
    own_anvil: Anvil, tmp_path: Path
) -> None:
    market = Stage.deploy(own_anvil)
    options = SenderOptions(outbox_path=tmp_path / "outbox.sqlite")
    client = MarketClient.connect(
        own_anvil.url, market.deployment, development_account(8), options=options
    )
    for _ in range(3):
        client.faucet(1)
    own_anvil.rpc("anvil_reorg", 2, [])
    assert client.token_balance(client.address) == 1
    client.faucet(10)
    assert client.token_balance(client.address) == 11
