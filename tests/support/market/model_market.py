"""A marketplace in a few lines: what a worker sees of it, block by block.

It is no chain: it mines a block for each call, knows one worker and tells of other
members what a test says. It holds the worker to what the contracts hold it to, and to
what no contract can see: that it never commits to two things, and never publishes its
bytes before others have committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace
from typing import Any

from eth_utils.address import to_checksum_address

from protocol.chain.rpc.blocks import BlockHead
from protocol.chain.rpc.receipts import TxReceipt
from protocol.errors import ContractReverted
from protocol.hexadecimal import to_hex
from protocol.market.calls import CommitEntry, RevealEntry
from protocol.market.commitments import commitment
from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobPosted,
    JobSettled,
    Log,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
)
from protocol.market.terms import MarketTerms
from protocol.market.types import JobId, JobParams, JobState, Outcome, Round

__all__ = ["MARKETPLACE", "ModelMarket"]

CHAIN_ID = 31337
MARKETPLACE = to_checksum_address("0x" + "aa" * 20)
REGISTRY = to_checksum_address("0x" + "bb" * 20)
WORKER = to_checksum_address("0x" + "cc" * 20)
OTHERS = tuple(to_checksum_address("0x" + f"{n:02x}" * 20) for n in range(1, 7))
WINDOW_SECONDS = 60
SEED_DELAY = 2


@dataclass(frozen=True, slots=True)
class _Job:
    params: JobParams
    round: Round
    workers: tuple[str, ...] = ()
    commitment: bytes = b""


@dataclass(frozen=True, slots=True)
class _Block:
    block_hash: str
    time: int
    logs: tuple[Log, ...]
    jobs: dict[JobId, _Job]


@dataclass(slots=True)
class ModelMarket:
    """Stands for a client of one worker's.

    Attributes:
        commitments: What the worker has ever committed to, by job and round.
        faults: What it did that no honest worker does.
    """

    commitments: dict[tuple[JobId, int], bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _blocks: list[_Block] = field(default_factory=list)
    _hashes: Any = field(default_factory=count)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    now: int = 1_000

    def __post_init__(self) -> None:
        self._blocks.append(_Block(self._next_hash(), self.now, (), {}))

    # ---------------------------------------------------------------- as a client

    chain_id = CHAIN_ID
    address = WORKER
    deployment = SimpleNamespace(
        block_number=0, marketplace=MARKETPLACE, registry=REGISTRY, chain_id=CHAIN_ID
    )
    config = MarketTerms.development().to_config(
        token=REGISTRY, registry=REGISTRY, deployer=REGISTRY
    )

    def head(self) -> BlockHead:
        with self._lock:
            last = self._blocks[-1]
            return BlockHead(len(self._blocks) - 1, last.block_hash, last.time)

    def block_number(self) -> int:
        return self.head().number

    def block_hash(self, number: int) -> str | None:
        with self._lock:
            is_there = 0 <= number < len(self._blocks)
            return self._blocks[number].block_hash if is_there else None

    def block_time(self, number: int) -> int:
        return self._blocks[number].time

    def events(
        self,
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> list[Log]:
        with self._lock:
            first, last = from_block or 0, len(self._blocks) - 1
            blocks = self._blocks[first : (last if to_block is None else to_block) + 1]
            logs = [log for block in blocks for log in block.logs]
        return [log for log in logs if kinds is None or type(log.event) in kinds]

    def round_of(self, job_id: JobId, *, block: int) -> Round:
        with self._lock:
            found = self._blocks[block]
            return self._at(found.jobs[job_id].round, found.time)

    def job_id_of(self, params: JobParams) -> JobId:
        return params.job_id(CHAIN_ID, MARKETPLACE)

    def commit_result(self, job_id: JobId, place: int, value: bytes) -> TxReceipt:
        return self._send(lambda: self._commit(job_id, place, value))

    def commit_results(self, entries: Sequence[CommitEntry]) -> TxReceipt:
        return self._send(
            *[
                lambda e=e: self._commit(e.job_id, e.place, e.commitment)
                for e in entries
            ]
        )

    def reveal_result(
        self, params: JobParams, place: int, outcome: Outcome, salt: bytes
    ) -> TxReceipt:
        return self._send(lambda: self._reveal(params, place, outcome, salt))

    def reveal_results(self, entries: Sequence[RevealEntry]) -> TxReceipt:
        return self._send(
            *[
                lambda e=e: self._reveal(e.params, e.place, e.outcome, e.salt)
                for e in entries
            ]
        )

    # ---------------------------------------------------------------- as a world

    def post(self, params: JobParams) -> JobId:
        job_id = self.job_id_of(params)
        seed_block = len(self._blocks) + SEED_DELAY
        armed = DrawArmed(job_id, 1, seed_block, seed_block + 256, 0)
        posted = JobPosted(job_id, params.requester, params.model_id, params, 0)
        opened = Round(
            state=JobState.OPEN,
            number=1,
            seed_block=seed_block,
            expiry_block=seed_block + 256,
            deadline=0,
            seat_ids=(),
            committed=0,
            revealed=0,
            record=bytes(32),
            is_delivered=False,
        )
        self._mine([posted, armed], {job_id: _Job(params, opened)})
        return job_id

    def draw(self, job_id: JobId, place: int) -> None:
        """The worker gets a place, others the rest."""
        job = self._job(job_id)
        workers = list(OTHERS[: job.params.redundancy])
        workers[place] = WORKER
        deadline = self.now + WINDOW_SECONDS
        seats = tuple(range(1, len(workers) + 1))
        drawn = CommitteeDrawn(
            job_id,
            1,
            0,
            bytes(32),
            seats,
            tuple(workers),
            deadline,
        )
        current = replace(
            job.round,
            state=JobState.COMMITTING,
            deadline=deadline,
            seat_ids=seats,
            seed_block=0,
            expiry_block=0,
        )
        changed = replace(job, round=current, workers=tuple(workers))
        self._mine([drawn], {job_id: changed})

    def other_acts(self, job_id: JobId) -> None:
        """Another member commits or reveals, if one can."""
        job, current = self._job(job_id), self.current(job_id)
        others = [n for n, who in enumerate(job.workers) if who != WORKER]
        done = current.committed
        if current.state is JobState.REVEALING:
            others = [n for n in others if current.committed >> n & 1]
            done = current.revealed
        left = [n for n in others if not done >> n & 1]
        if not left or self.now > current.deadline:
            return
        if current.state is JobState.COMMITTING:
            self._mine(*self._committed(job_id, left[0], b"\7" * 32))
        elif current.state is JobState.REVEALING:
            self._mine(*self._revealed(job_id, left[0], Outcome.none(), bytes(32)))

    def settle(self, job_id: JobId) -> None:
        """The round's time is over, and somebody says so."""
        current = self.current(job_id)
        is_drawn = current.state in (JobState.COMMITTING, JobState.REVEALING)
        if is_drawn and self.now > current.deadline:
            self._mine(*self._ended(job_id, current))

    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self._mine([], {})

    def reorganise(self, depth: int) -> None:
        """The last blocks are replaced by as many empty ones."""
        with self._lock:
            depth = min(depth, len(self._blocks) - 1)
            del self._blocks[len(self._blocks) - depth :]
            for _ in range(depth):
                self._mine([], {})

    def current(self, job_id: JobId) -> Round:
        return self._at(self._job(job_id).round, self._blocks[-1].time)

    def params_of(self, job_id: JobId) -> JobParams:
        return self._job(job_id).params

    def state_by_prompts(self, digest: str) -> JobState | None:
        """State of the job whose prompts have a digest, `0x` and 64 digits."""
        for job_id in self.job_ids():
            if to_hex(self.params_of(job_id).prompts_digest) == digest:
                return self.current(job_id).state
        return None

    def job_ids(self) -> list[JobId]:
        return list(self._blocks[-1].jobs)

    def place_of(self, job_id: JobId) -> int | None:
        workers = self._job(job_id).workers
        return workers.index(WORKER) if WORKER in workers else None

    # ---------------------------------------------------------------- the rules

    def _commit(self, job_id: JobId, place: int, value: bytes) -> None:
        current = self.current(job_id)
        known = self.commitments.setdefault((job_id, current.number), value)
        if known != value:
            self.faults.append("committed to two things")
        if current.state is not JobState.COMMITTING or self.now > current.deadline:
            raise ContractReverted("UnexpectedJobState", (job_id, current.state))
        if self._job(job_id).workers[place] != WORKER:
            self.faults.append("committed in another's place")
            raise ContractReverted("NotOnCommittee", (job_id, WORKER, place))
        if current.committed >> place & 1:
            self.faults.append("committed again")
            raise ContractReverted("AlreadyCommitted", (job_id, place))
        self._mine(*self._committed(job_id, place, value))

    def _reveal(
        self, params: JobParams, place: int, outcome: Outcome, salt: bytes
    ) -> None:
        job_id = self.job_id_of(params)
        current = self.current(job_id)
        if current.state is not JobState.REVEALING or self.now > current.deadline:
            raise ContractReverted("UnexpectedJobState", (job_id, current.state))
        if current.revealed >> place & 1:
            self.faults.append("revealed again")
            raise ContractReverted("AlreadyRevealed", (job_id, place))
        hidden = commitment(
            chain_id=CHAIN_ID,
            marketplace=MARKETPLACE,
            job_id=job_id,
            round_number=current.number,
            worker=WORKER,
            outcome=outcome,
            salt=salt,
        )
        if hidden != self._job(job_id).commitment:
            self.faults.append("revealed something else")
        self._mine(*self._revealed(job_id, place, outcome, salt))

    def _committed(
        self, job_id: JobId, place: int, value: bytes
    ) -> tuple[list[Event], dict[JobId, _Job]]:
        job = self._job(job_id)
        who: Any = job.workers[place]
        events: list[Event] = [
            ResultCommitted(job_id, who, job.round.number, place, value)
        ]
        current = replace(job.round, committed=job.round.committed | 1 << place)
        if current.committed.bit_count() == len(job.workers):
            deadline = self.now + self.config.reveal_window_seconds
            current = replace(current, state=JobState.REVEALING, deadline=deadline)
            events.append(RevealOpened(job_id, current.number, deadline))
        kept = value if who == WORKER else job.commitment
        return events, {job_id: replace(job, round=current, commitment=kept)}

    def _revealed(
        self, job_id: JobId, place: int, outcome: Outcome, salt: bytes
    ) -> tuple[list[Event], dict[JobId, _Job]]:
        job, current = self._job(job_id), self.current(job_id)
        who: Any = job.workers[place]
        revealed = current.revealed | 1 << place
        event = ResultRevealed(job_id, who, current.number, place, outcome, salt)
        if revealed != current.committed:
            changed = replace(job.round, revealed=revealed)
            return [event], {job_id: replace(job, round=changed)}
        ended, jobs = self._ended(job_id, current)
        return [event, *ended], jobs

    def _ended(
        self, job_id: JobId, current: Round
    ) -> tuple[list[Event], dict[JobId, _Job]]:
        settled = JobSettled(job_id, JobState.ACCEPTED, 0, 0, 0, bytes(32))
        over = replace(current, state=JobState.ACCEPTED)
        return [settled], {job_id: replace(self._job(job_id), round=over)}

    def _at(self, current: Round, time: int) -> Round:
        is_over = current.state is JobState.COMMITTING and time > current.deadline
        if not is_over or not current.committed:
            return current
        deadline = current.deadline + self.config.reveal_window_seconds
        return replace(current, state=JobState.REVEALING, deadline=deadline)

    # ---------------------------------------------------------------- blocks

    def _job(self, job_id: JobId) -> _Job:
        return self._blocks[-1].jobs[job_id]

    def _send(self, *calls: Callable[[], None]) -> TxReceipt:
        """What applies of a batch; a single call that does not apply reverts."""
        with self._lock:
            for call in calls:
                try:
                    call()
                except ContractReverted:
                    if len(calls) == 1:
                        raise
            return TxReceipt("0x" + "ab" * 32, len(self._blocks) - 1, "", True, 1, 1)

    def _mine(self, events: Sequence[Event], jobs: dict[JobId, _Job]) -> None:
        with self._lock:
            number, digest = len(self._blocks), self._next_hash()
            logs = tuple(
                Log(event, number, digest, "0x" + "ef" * 32, index, MARKETPLACE)
                for index, event in enumerate(events)
            )
            known = self._blocks[-1].jobs if self._blocks else {}
            self._blocks.append(_Block(digest, self.now, logs, {**known, **jobs}))

    def _next_hash(self) -> str:
        return f"0x{next(self._hashes):064x}"
