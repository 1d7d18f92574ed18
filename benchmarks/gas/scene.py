"""The jobs and draws that `benchmarks.gas` measures, on a node of its own."""

from __future__ import annotations

import json
import statistics
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from devnet.processes.anvil import Anvil
from protocol.chain.client import MarketClient
from protocol.chain.rpc.receipts import TxReceipt
from protocol.hexadecimal import to_hex
from protocol.market.calls import RevealEntry
from protocol.market.events import CommitteeDrawn, SeatOpened
from protocol.market.types import JobParams, JobState, ModelId, Outcome
from tests.support.market.values import a_model, an_outcome
from tests.support.network.chain import FIRST_WORKER, REQUESTER, Player, Stage

__all__ = [
    "WORKERS",
    "GasScene",
    "Steps",
    "measure_batch",
    "measure_draw",
    "measure_jobs",
]

BATCH = 10

# Of each kind; seeds differ, so one alone says little.
_JOBS = 6
_WARM_BATCHES = 15
WORKERS = 24
_STAKE = 10_000_000_000
_ALWAYS = 2**256 - 1
_SEATS_SLOT = 1
_BUSY = 1 << 247
_OWNER_BITS = 160
_MAX_OPENED = 64
_RPC_BATCH = 500


@dataclass(frozen=True, slots=True)
class Steps:
    """Gas of a job's transactions, in the order they were sent.

    Attributes:
        post: The posting.
        draw: The draw by `advance`.
        commits: A commitment each.
        reveals: A reveal each; the last one settles.
    """

    post: int
    draw: int
    commits: tuple[int, ...]
    reveals: tuple[int, ...]

    @property
    def total(self) -> int:
        """Gas of the whole job."""
        return self.post + self.draw + sum(self.commits) + sum(self.reveals)


class GasScene(Stage):
    """A market on a node: account 0 keeps, 1 requests, the others work."""

    keeper: MarketClient
    poster: MarketClient

    @classmethod
    def open(cls, node: Anvil) -> GasScene:
        """Deploy and fund keeper and requester."""
        scene = cls.deploy(node, has_plain_addresses=False)
        scene.keeper, scene.poster = scene.client(0), scene.client(REQUESTER)
        scene.fund(scene.keeper)
        # No stake: postings pull tokens, besides the credit of earlier refunds.
        scene.poster.faucet(_STAKE * 4)
        scene.poster.approve(_ALWAYS)
        return scene

    def fund(self, client: MarketClient) -> None:
        """Tokens, credit and a standing allowance."""
        client.faucet(_STAKE * 4)
        client.approve(_ALWAYS)
        client.deposit(_STAKE)

    def register(self, label: str) -> ModelId:
        """Register a model; none is ever run."""
        spec = a_model(label, context_length=1024)
        self.keeper.register_model(spec)
        return spec.model_id()

    def job_of(self, model: ModelId, **changes: object) -> JobParams:
        """Parameters of a job that was not posted yet."""
        return self.job(self.poster, model_id=model, **{"prompt_count": 8} | changes)

    def draw_once(self, params: JobParams) -> tuple[TxReceipt, CommitteeDrawn | None]:
        """Mine the seed block and draw; None if the draw was armed again."""
        self.anvil.mine(2)
        result = self.keeper.advance(params)
        drawn = (log.event for log in result.logs)
        return result, next((e for e in drawn if isinstance(e, CommitteeDrawn)), None)

    def serve(self, params: JobParams) -> Steps | None:
        """A whole job whose members agree; None if a place stayed vacant."""
        post = self.poster.post_job(params)
        draw, drawn = self.draw_once(params)
        assert drawn is not None
        members, outcome = self.members(drawn), _outcome(params)
        job_id = self.poster.job_id_of(params)
        commits = [one.commit(job_id, outcome).gas_used for one in members]
        reveals = [one.reveal(params, outcome).gas_used for one in members]
        if self.poster.state_of(job_id) is not JobState.ACCEPTED:
            raise RuntimeError("a job of the benchmark was not accepted")
        if len(members) < params.redundancy:
            return None
        return Steps(post.gas_used, draw.gas_used, tuple(commits), tuple(reveals))


def _outcome(params: JobParams) -> Outcome:
    return an_outcome(token_count=params.max_tokens)


def _rpc(node: Anvil, *calls: tuple[str, list[Any]]) -> list[Any]:
    """Several calls at once, their results in order."""
    body = [
        {"jsonrpc": "2.0", "id": index, "method": method, "params": params}
        for index, (method, params) in enumerate(calls)
    ]
    request = urllib.request.Request(
        node.url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        answers = json.load(response)
    by_id = {answer["id"]: answer["result"] for answer in answers}
    return [by_id[index] for index in range(len(calls))]


def measure_jobs(
    scene: GasScene, committees: Sequence[int], prompts: int
) -> tuple[dict[int, list[Steps]], list[Steps]]:
    """Jobs by size of the committee, and jobs of three with many prompts."""
    model = scene.register("jobs")
    workers = [scene.client(FIRST_WORKER + index) for index in range(WORKERS)]
    for worker in workers:
        scene.fund(worker)
        worker.open_seats(model, 0, 1)
    # Until everybody has served once.
    while not all(worker.account_of(worker.address).completed for worker in workers):
        scene.serve(scene.job_of(model, redundancy=7))

    def measured(**changes: object) -> list[Steps]:
        found: list[Steps] = []
        while len(found) < _JOBS:
            steps = scene.serve(scene.job_of(model, **changes))
            found += [] if steps is None else [steps]
        return found

    jobs = {size: measured(redundancy=size) for size in committees}
    most = scene.keeper.config.max_job_tokens
    return jobs, measured(prompt_count=prompts, max_tokens=most)


def measure_batch(scene: GasScene) -> int:
    """Gas of a commit in a batch of ten jobs of three, none of them the last one."""
    model = scene.register("batch")
    workers = [scene.client(FIRST_WORKER + index) for index in range(3)]
    for worker in workers:
        # Three times what is busy at once, so that draws find an idle seat.
        worker.open_seats(model, 0, 3 * BATCH)
    gas = 0
    # Until every seat has served, all but surely: its answer slot is then in use.
    for _ in range(_WARM_BATCHES):
        draws = [_post_and_draw(scene, model) for _ in range(BATCH)]
        gas = [_commit_all(worker, draws) for worker in workers][0]
        for worker in workers:
            _reveal_all(worker, draws)
    return -(-gas // BATCH)


def _post_and_draw(scene: GasScene, model: ModelId) -> tuple[JobParams, list[Player]]:
    """A job with a full committee; those with a vacant place are left to fail."""
    while True:
        params = scene.job_of(model)
        scene.poster.post_job(params)
        _, drawn = scene.draw_once(params)
        if drawn is not None and 0 not in drawn.seat_ids[:3]:
            return params, scene.members(drawn)


_Draws = Sequence[tuple[JobParams, Sequence[Player]]]


def _places(worker: MarketClient, draws: _Draws) -> list[tuple[JobParams, Player]]:
    return [
        (params, member)
        for params, members in draws
        for member in members
        if member.client.address == worker.address
    ]


def _commit_all(worker: MarketClient, draws: _Draws) -> int:
    """Gas of a worker's batch of commits."""
    commits = [
        member.entry(worker.job_id_of(params), _outcome(params))
        for params, member in _places(worker, draws)
    ]
    return worker.commit_results(commits).gas_used


def _reveal_all(worker: MarketClient, draws: _Draws) -> None:
    reveals = [
        RevealEntry(params, m.place, _outcome(params), m.salt(worker.job_id_of(params)))
        for params, m in _places(worker, draws)
    ]
    worker.reveal_results(reveals)


def measure_draw(scene: GasScene, size: int, idle: float, seeds: int) -> float:
    """Mean gas of a draw that fills three places, from a roster partly idle."""
    model = scene.register(f"roster {size} {idle}")
    seats = _open_roster(scene, model, size)
    _set_seats(scene, seats, busy=size - round(size * idle))
    gas: list[int] = []
    while len(gas) < seeds:
        with scene.anvil.undone():
            params = scene.job_of(model)
            scene.poster.post_job(params)
            result, drawn = scene.draw_once(params)
            if drawn is not None and 0 not in drawn.seat_ids:
                gas.append(result.gas_used)
    return statistics.mean(gas)


def _open_roster(scene: GasScene, model: ModelId, size: int) -> list[int]:
    owner = scene.client(2)
    missing = size * owner.config.seat_bond - owner.account_of(owner.address).credit
    while missing > 0:
        step = min(missing, 10**12)
        owner.faucet(step)
        owner.deposit(step)
        missing -= step
    seats: list[int] = []
    while len(seats) < size:
        result = owner.open_seats(model, 0, min(_MAX_OPENED, size - len(seats)))
        opened = (log.event for log in result.logs)
        seats += [e.seat_id for e in opened if isinstance(e, SeatOpened)]
    return seats


def _set_seats(scene: GasScene, seats: Sequence[int], *, busy: int) -> None:
    """Give each seat an owner of its own, and mark some, evenly spread, as busy."""
    market = scene.deployment.marketplace
    for start in range(0, len(seats), _RPC_BATCH):
        part = seats[start : start + _RPC_BATCH]
        slots = [
            to_hex(keccak(encode(["uint256"] * 2, [s, _SEATS_SLOT]))) for s in part
        ]
        words = _rpc(
            scene.anvil,
            *(("eth_getStorageAt", [market, slot, "latest"]) for slot in slots),
        )
        writes = []
        for offset, (slot, word) in enumerate(zip(slots, words, strict=True)):
            index = start + offset
            owner = int.from_bytes(keccak(text=f"owner {index}")[12:])
            changed = int(word, 16) >> _OWNER_BITS << _OWNER_BITS | owner
            # Bresenham: `busy` of all, as evenly as whole numbers allow.
            is_busy = (index + 1) * busy // len(seats) > index * busy // len(seats)
            changed |= _BUSY if is_busy else 0
            writes.append(
                (
                    "anvil_setStorageAt",
                    [market, slot, to_hex(changed.to_bytes(32))],
                )
            )
        _rpc(scene.anvil, *writes)
