"""The jobs and draws that `benchmarks.gas` measures, on a node of its own."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.hdaccount import key_from_seed, seed_from_mnemonic
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from devnet.processes.anvil import MNEMONIC, chain_answers, find_anvil
from devnet.processes.ports import LOOPBACK, free_ports
from protocol.chain.client import MarketClient
from protocol.chain.deploying.deploy import deploy_market
from protocol.chain.deployment import Deployment
from protocol.chain.rpc.receipts import TxReceipt
from protocol.digests import Digest
from protocol.hexadecimal import to_hex
from protocol.market.calls import CommitEntry, RevealEntry
from protocol.market.commitments import commitment
from protocol.market.events import CommitteeDrawn, SeatOpened
from protocol.market.terms import MarketTerms
from protocol.market.types import (
    ZERO_ADDRESS,
    JobParams,
    JobState,
    ModelId,
    ModelSpec,
    Outcome,
    OutcomeStatus,
)

__all__ = [
    "GasScene",
    "Steps",
    "anvil",
    "measure_batch",
    "measure_draw",
    "measure_jobs",
]

BATCH = 10

# Of each kind; seeds differ, so one alone says little.
_JOBS = 6
_WARM_BATCHES = 15
_WORKERS = 24
_STAKE = 10_000_000_000
_ALWAYS = 2**256 - 1
_SEATS_SLOT = 1
_BUSY = 1 << 247
_OWNER_BITS = 160
_MAX_OPENED = 64
_RPC_BATCH = 500
_START_SECONDS = 30
_SALT = keccak(text="salt")


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


# ---------------------------------------------------------------- the node


@contextmanager
def anvil() -> Iterator[str]:
    """A fresh node that mines at once, with accounts for all; its URL."""
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}"
    options = {"--host": LOOPBACK, "--port": port, "--accounts": _WORKERS + 2}
    flags = [str(part) for option in options.items() for part in option]
    command = [str(find_anvil()), *flags, "--silent"]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not chain_answers(url):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} does not answer")
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def _rpc(url: str, *calls: tuple[str, list[Any]]) -> list[Any]:
    """Several calls at once, their results in order."""
    body = [
        {"jsonrpc": "2.0", "id": index, "method": method, "params": params}
        for index, (method, params) in enumerate(calls)
    ]
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        answers = json.load(response)
    by_id = {answer["id"]: answer["result"] for answer in answers}
    return [by_id[index] for index in range(len(calls))]


def _account(index: int) -> LocalAccount:
    seed = seed_from_mnemonic(MNEMONIC, passphrase="")
    key = key_from_seed(seed, f"m/44'/60'/0'/0/{index}")
    account: LocalAccount = Account.from_key(key)
    return account


def _digest(label: str) -> Digest:
    return Digest(keccak(text=label))


# ---------------------------------------------------------------- the scenes


@dataclass(slots=True)
class GasScene:
    """A market on a node: account 0 keeps, 1 requests, the others work."""

    url: str
    deployment: Deployment
    keeper: MarketClient
    requester: MarketClient
    nonces: Iterator[int] = field(default_factory=lambda: count(1))

    @classmethod
    def open(cls, url: str) -> GasScene:
        """Deploy and fund keeper and requester."""
        terms = MarketTerms.development()
        deployment = deploy_market(url, _account(0), token=None, terms=terms)
        keeper, requester = (
            MarketClient.connect(url, deployment, _account(index)) for index in (0, 1)
        )
        scene = cls(url, deployment, keeper, requester)
        scene.fund(keeper)
        # No stake: postings pull tokens, besides the credit of earlier refunds.
        requester.faucet(_STAKE * 4)
        requester.approve(_ALWAYS)
        return scene

    def fund(self, client: MarketClient) -> None:
        """Tokens, credit and a standing allowance."""
        client.faucet(_STAKE * 4)
        client.approve(_ALWAYS)
        client.deposit(_STAKE)

    def client(self, index: int) -> MarketClient:
        """One of the node's accounts."""
        return MarketClient.connect(self.url, self.deployment, _account(index))

    def mine(self, blocks: int) -> None:
        """Blocks without transactions."""
        _rpc(self.url, ("anvil_mine", [hex(blocks)]))

    def model(self, label: str) -> ModelId:
        """Register a model; none is ever run."""
        spec = ModelSpec(
            package_digest=_digest(label),
            weights_root=bytes(32),
            profile=b"int-w8b8".ljust(32, b"\0"),
            vocab_size=256,
            context_length=1024,
            ms_per_token=5,
            base_price=2,
        )
        self.keeper.register_model(spec)
        return spec.model_id()

    def job(self, model: ModelId, **changes: object) -> JobParams:
        """Parameters of a job that was not posted yet."""
        params = JobParams(
            requester=self.requester.address,
            nonce=next(self.nonces),
            model_id=model,
            tick=0,
            prompts_digest=_digest("prompts"),
            prompt_count=8,
            max_tokens=1_000,
            redundancy=3,
            max_rounds=1,
            min_seats=0,
            callback=ZERO_ADDRESS,
            callback_gas_limit=0,
        )
        return replace(params, **changes)  # type: ignore[arg-type]

    def draw(self, params: JobParams) -> tuple[TxReceipt, CommitteeDrawn | None]:
        """Mine the seed block and draw; None if the draw was armed again."""
        self.mine(2)
        result = self.keeper.advance(params)
        drawn = (log.event for log in result.logs)
        return result, next((e for e in drawn if isinstance(e, CommitteeDrawn)), None)

    def serve(
        self, params: JobParams, workers: Mapping[str, MarketClient]
    ) -> Steps | None:
        """A whole job whose members agree; None if a place stayed vacant."""
        post = self.requester.post_job(params)
        draw, drawn = self.draw(params)
        assert drawn is not None
        members = [workers[w] for w in drawn.workers if w != ZERO_ADDRESS]
        outcome = _outcome(params)
        job_id = self.requester.job_id_of(params)
        commits = [
            one.commit_result(job_id, place, self.commit(one, params, outcome))
            for place, one in enumerate(members)
        ]
        reveals = [
            one.reveal_result(params, place, outcome, _SALT)
            for place, one in enumerate(members)
        ]
        if self.requester.state_of(job_id) is not JobState.ACCEPTED:
            raise RuntimeError("a job of the benchmark was not accepted")
        if len(members) < params.redundancy:
            return None
        return Steps(
            post.gas_used,
            draw.gas_used,
            tuple(one.gas_used for one in commits),
            tuple(one.gas_used for one in reveals),
        )

    def commit(self, one: MarketClient, params: JobParams, outcome: Outcome) -> bytes:
        """A worker's commitment."""
        return commitment(
            chain_id=one.chain_id,
            marketplace=self.deployment.marketplace,
            job_id=one.job_id_of(params),
            round_number=1,
            worker=one.address,
            outcome=outcome,
            salt=_SALT,
        )


def _outcome(params: JobParams) -> Outcome:
    return Outcome(
        status=OutcomeStatus.OK,
        token_count=params.max_tokens,
        results_root=_digest("root"),
        results_digest=_digest("results"),
        fingerprint=bytes(32),
    )


def measure_jobs(
    scene: GasScene, committees: Sequence[int], prompts: int
) -> tuple[dict[int, list[Steps]], list[Steps]]:
    """Jobs by size of the committee, and jobs of three with many prompts."""
    model = scene.model("jobs")
    workers = [scene.client(2 + index) for index in range(_WORKERS)]
    for worker in workers:
        scene.fund(worker)
        worker.open_seats(model, 0, 1)
    by_address = {str(worker.address): worker for worker in workers}
    # Until everybody has served once.
    while not all(worker.account_of(worker.address).completed for worker in workers):
        scene.serve(scene.job(model, redundancy=7), by_address)

    def measured(**changes: object) -> list[Steps]:
        found: list[Steps] = []
        while len(found) < _JOBS:
            steps = scene.serve(scene.job(model, **changes), by_address)
            found += [] if steps is None else [steps]
        return found

    jobs = {size: measured(redundancy=size) for size in committees}
    most = scene.keeper.config.max_job_tokens
    return jobs, measured(prompt_count=prompts, max_tokens=most)


def measure_batch(scene: GasScene) -> int:
    """Gas of a commit in a batch of ten jobs of three, none of them the last one."""
    model = scene.model("batch")
    workers = [scene.client(2 + index) for index in range(3)]
    for worker in workers:
        # Three times what is busy at once, so that draws find an idle seat.
        worker.open_seats(model, 0, 3 * BATCH)
    gas = 0
    # Until every seat has served, all but surely: its answer slot is then in use.
    for _ in range(_WARM_BATCHES):
        draws = [_post_and_draw(scene, model) for _ in range(BATCH)]
        used = [_act_in_all(scene, worker, draws) for worker in workers]
        gas = used[0]
        for worker in workers:
            _act_in_all(scene, worker, draws, is_reveal=True)
    return -(-gas // BATCH)


def _post_and_draw(scene: GasScene, model: ModelId) -> tuple[JobParams, CommitteeDrawn]:
    """A job with a full committee; those with a vacant place are left to fail."""
    while True:
        params = scene.job(model)
        scene.requester.post_job(params)
        _, drawn = scene.draw(params)
        if drawn is not None and 0 not in drawn.seat_ids[:3]:
            return params, drawn


def _act_in_all(
    scene: GasScene,
    worker: MarketClient,
    draws: Sequence[tuple[JobParams, CommitteeDrawn]],
    *,
    is_reveal: bool = False,
) -> int:
    """Gas of a worker's batch of commits, or of reveals."""
    places = [(p, d.workers.index(worker.address), _outcome(p)) for p, d in draws]
    if is_reveal:
        reveals = [RevealEntry(p, place, o, _SALT) for p, place, o in places]
        return worker.reveal_results(reveals).gas_used
    commits = [
        CommitEntry(worker.job_id_of(p), place, scene.commit(worker, p, o))
        for p, place, o in places
    ]
    return worker.commit_results(commits).gas_used


def measure_draw(scene: GasScene, size: int, idle: float, seeds: int) -> float:
    """Mean gas of a draw that fills three places, from a roster partly idle."""
    model = scene.model(f"roster {size} {idle}")
    seats = _open_roster(scene, model, size)
    _set_seats(scene, seats, busy=size - round(size * idle))
    gas: list[int] = []
    while len(gas) < seeds:
        (before,) = _rpc(scene.url, ("evm_snapshot", []))
        params = scene.job(model)
        scene.requester.post_job(params)
        result, drawn = scene.draw(params)
        if drawn is not None and 0 not in drawn.seat_ids:
            gas.append(result.gas_used)
        _rpc(scene.url, ("evm_revert", [before]))
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
            scene.url,
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
        _rpc(scene.url, *writes)
