from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from eth_utils.address import to_checksum_address

from protocol.chain.cursor import EventBatch
from protocol.chain.rpc.receipts import TxReceipt
from protocol.errors import ContractReverted, RpcUnavailable
from protocol.market.calls import CommitEntry
from protocol.market.events import EntrySkipped, Log
from protocol.market.types import JobId
from tests.support.machines.processes import eventually
from tests.unit.protocol.host.test_backoff import Clock
from tests.unit.worker.rounds.test_following import Chain
from worker.duties.sending import MAX_AT_ONCE, Outgoing
from worker.duty import Duty, Step
from worker.metrics import WorkerMetrics
from worker.process.background import TaskPool
from worker.rounds.following import Rounds

HOLD = 2.0
WORKER = to_checksum_address("0x" + "11" * 20)
DUTY = Duty(
    job_id=JobId(bytes(32)),
    round_number=1,
    place=0,
    seat_id=1,
    drawn_at=0,
    commit_deadline=50,
)


@dataclass
class Post:
    """Sends when it is let, and fails when it is told to."""

    sent: list[list[CommitEntry]] = field(default_factory=list)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    error: Exception | None = None
    skips: bytes | None = None
    block: int = 30

    def send(self, entries: list[CommitEntry]) -> TxReceipt:
        self.sent.append(entries)
        self.gate.acquire()
        if self.error is not None:
            raise self.error
        skipped = [
            Log(EntrySkipped(e.job_id, WORKER, 0, b"abcd"), 1, "", "", 0, WORKER)
            for e in entries
            if e.job_id == self.skips
        ]
        return TxReceipt("0xab", self.block, "", True, 1, 1, tuple(skipped))


@dataclass
class Desk:
    post: Post
    background: TaskPool
    rounds: Rounds
    chain: Chain
    outgoing: Outgoing[CommitEntry]
    clock: Clock

    @property
    def now(self) -> float:
        return self.clock.now

    @now.setter
    def now(self, now: float) -> None:
        self.clock.now = now

    def offer(self, *numbers: int) -> None:
        for number in numbers:
            duty = duty_of(number)
            self.outgoing.offer(duty, lambda d=duty: entry_of(d))  # type: ignore[misc]

    def flush(self) -> None:
        """As a tick does."""
        self.background.collect()
        self.outgoing.flush()

    def settle(self) -> None:
        assert eventually(self._is_settled)

    def _is_settled(self) -> bool:
        self.background.collect()
        return self.background.count == 0

    def sizes(self) -> list[int]:
        return [len(entries) for entries in self.post.sent]


@contextmanager
def a_desk() -> Iterator[Desk]:
    chain, post, background = Chain(), Post(), TaskPool(threads=4)
    rounds = Rounds(chain, reveal_window_seconds=60)
    rounds.apply(EventBatch((), None, 20))
    clock = Clock()
    outgoing = Outgoing(
        Step.COMMIT,
        post.send,
        background,
        rounds,
        WorkerMetrics(),
        HOLD,
        clock=clock,
    )
    desk = Desk(post, background, rounds, chain, outgoing, clock)
    yield desk
    post.gate.release(100)
    background.close()


def duty_of(number: int) -> Duty:
    return replace(DUTY, job_id=JobId(number.to_bytes(32)))


def entry_of(duty: Duty) -> CommitEntry:
    return CommitEntry(duty.job_id, 0, b"\1" * 32)


def test_flush_sends_all_that_wait_in_one_transaction() -> None:
    with a_desk() as desk:
        desk.offer(1, 2, 3)
        desk.offer(2)
        desk.flush()
        assert eventually(lambda: desk.sizes() == [3])
        assert desk.outgoing.is_on_its_way(duty_of(1).key)


def test_flush_while_one_is_on_its_way_lets_others_gather() -> None:
    with a_desk() as desk:
        desk.offer(1)
        desk.flush()
        desk.offer(1, 2)
        desk.flush()
        assert eventually(lambda: desk.sizes() == [1])
        desk.offer(3)
        desk.now += 1
        desk.flush()
        # Once the first takes its time, a second one goes.
        assert eventually(lambda: desk.sizes() == [1, 2])
        desk.offer(4)
        desk.now += 1
        desk.flush()
        desk.post.gate.release(2)
        desk.settle()
        assert desk.sizes() == [1, 2]
        desk.flush()
        assert eventually(lambda: desk.sizes() == [1, 2, 1])


def test_flush_while_the_engine_is_busy_lets_entries_gather_for_longer() -> None:
    with a_desk() as desk:
        desk.outgoing.keep(
            {duty_of(number).key: Step.COMPUTE for number in range(100, 200)}
        )
        desk.offer(1)
        desk.flush()
        desk.offer(2)
        desk.now += HOLD
        desk.flush()
        desk.post.gate.release()
        desk.settle()
        assert desk.sizes() == [1]
        desk.flush()
        assert eventually(lambda: desk.sizes() == [1, 1])
        desk.post.gate.release()
        desk.settle()
        desk.offer(3)
        desk.now += HOLD / 2
        desk.flush()
        desk.offer(*range(10, 10 + MAX_AT_ONCE))
        desk.flush()
        # Enough to fill one.
        assert eventually(lambda: desk.sizes() == [1, 1, MAX_AT_ONCE])


def test_flush_of_many_splits_them() -> None:
    with a_desk() as desk:
        desk.offer(*range(MAX_AT_ONCE + 3))
        desk.flush()
        desk.now += 1
        desk.flush()
        assert eventually(lambda: sorted(desk.sizes()) == [3, MAX_AT_ONCE])


def test_keep_drops_what_does_not_apply_any_more() -> None:
    with a_desk() as desk:
        desk.offer(1, 2)
        desk.outgoing.keep({duty_of(1).key: Step.WAIT, duty_of(2).key: Step.COMMIT})
        desk.flush()
        assert eventually(lambda: len(desk.post.sent) == 1)
        assert desk.post.sent[0] == [entry_of(duty_of(2))]


def test_is_on_its_way_until_events_of_its_block_were_read() -> None:
    with a_desk() as desk:
        desk.offer(1)
        desk.flush()
        desk.post.gate.release()
        desk.settle()
        assert desk.outgoing.is_on_its_way(duty_of(1).key)
        desk.rounds.apply(EventBatch((), None, 30))
        assert not desk.outgoing.is_on_its_way(duty_of(1).key)


def test_keep_forgets_what_events_have_shown() -> None:
    with a_desk() as desk:
        desk.offer(1)
        desk.flush()
        desk.post.gate.release()
        desk.settle()
        desk.outgoing.keep({})
        assert desk.outgoing.is_on_its_way(duty_of(1).key)
        desk.rounds.apply(EventBatch((), None, 30))
        desk.outgoing.keep({})
        assert not desk.outgoing._mined


def test_flush_of_a_skipped_entry_asks_the_chain_how_it_stands() -> None:
    with a_desk() as desk:
        desk.post.skips = duty_of(2).job_id
        desk.rounds.of(duty_of(2).job_id, now=1)
        desk.offer(1, 2)
        desk.flush()
        desk.post.gate.release()
        desk.settle()
        desk.rounds.of(duty_of(2).job_id, now=1)
        assert len(desk.chain.asked) == 2
        assert not desk.outgoing.is_on_its_way(duty_of(2).key)


def test_flush_after_a_revert_leaves_the_entry_alone_for_a_while() -> None:
    with a_desk() as desk:
        desk.post.error = ContractReverted("AlreadyCommitted", (bytes(32), 0))
        desk.offer(1)
        desk.flush()
        desk.post.gate.release()
        desk.settle()
        desk.offer(1, 2)
        desk.flush()
        assert eventually(lambda: len(desk.post.sent) == 2)
        assert desk.post.sent[1] == [entry_of(duty_of(2))]
        desk.post.gate.release()
        desk.settle()
        desk.now += 1
        desk.offer(1)
        desk.flush()
        assert eventually(lambda: len(desk.post.sent) == 3)


def test_flush_after_the_node_failed_pauses_all() -> None:
    with a_desk() as desk:
        desk.post.error = RpcUnavailable("down")
        desk.offer(1)
        desk.flush()
        desk.post.gate.release()
        desk.settle()
        desk.post.error = None
        desk.offer(1, 2)
        desk.flush()
        assert desk.sizes() == [1]
        desk.now += 2
        desk.flush()
        assert eventually(lambda: desk.sizes() == [1, 2])
