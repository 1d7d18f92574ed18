"""Many commitments, or many reveals, in few transactions.

An entry goes out at once when nothing of its kind is on its way. What comes meanwhile
waits and shares the next transaction, so the number of transactions follows the blocks
and not the jobs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from protocol.chain.abi.reverts import error_name
from protocol.chain.rpc.receipts import TxReceipt
from protocol.errors import ContractReverted
from protocol.hexadecimal import to_hex
from protocol.host.backoff import Pauses
from protocol.market.calls import CommitEntry, RevealEntry
from protocol.market.events import EntrySkipped
from protocol.market.types import JobId
from worker.duty import Duty, DutyKey, Step
from worker.metrics import WorkerMetrics
from worker.process.background import TaskPool
from worker.rounds.following import Rounds

__all__ = ["MAX_AT_ONCE", "Outgoing"]

logger = logging.getLogger(__name__)

# A reveal may cost its round's end too; so many fit a block many times over.
MAX_AT_ONCE = 12
_MAX_TRANSACTIONS = 2
# Where so many jobs wait for the engine, a block sooner is worth less than the time
# that a transaction takes from it.
_CROWD = 24
# A second transaction follows a first one that takes longer than this to be mined.
_SPACING_SECONDS = 0.4
# Before anything is sent again after a failure, and an entry after a revert.
_PAUSE_SECONDS = 2.0
_REFUSED_SECONDS = 1.0
_LONGEST_REFUSED_SECONDS = 8.0

_Entry = TypeVar("_Entry", CommitEntry, RevealEntry)


class Outgoing(Generic[_Entry]):
    """Sends one kind of entry. For one thread; transactions run on others."""

    def __init__(
        self,
        step: Step,
        send: Callable[[list[_Entry]], TxReceipt],
        background: TaskPool,
        rounds: Rounds,
        metrics: WorkerMetrics,
        hold_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing to send.

        Args:
            step: COMMIT or REVEAL.
            send: Sends entries in one transaction and waits until it is mined.
            background: Where it does so.
            rounds: Made to forget rounds that turn out to stand otherwise.
            metrics: Told what was mined and skipped.
            hold_seconds: Shortest time from one transaction to the next while the
                engine is busy, unless there are entries enough to fill one.
            clock: Seconds that only go forward.
        """
        self._step = step
        self._done = "committed" if step is Step.COMMIT else "revealed"
        self._send: Callable[[list[_Entry]], TxReceipt] = send
        self._background = background
        self._rounds = rounds
        self._metrics = metrics
        self._hold_seconds = hold_seconds
        self._clock = clock
        self._waiting: dict[DutyKey, tuple[Duty, _Entry]] = {}
        self._sent: set[DutyKey] = set()
        # Mined in a block that events were not read from yet.
        self._mined: dict[DutyKey, int] = {}
        self._refused = Pauses(
            first_seconds=_REFUSED_SECONDS,
            longest_seconds=_LONGEST_REFUSED_SECONDS,
            clock=clock,
        )
        self._transactions = 0
        self._is_crowded = False
        self._number = 0
        self._last_sent = float("-inf")
        self._paused_until = float("-inf")

    def is_on_its_way(self, key: DutyKey) -> bool:
        """Whether a duty's entry was sent and the chain has not shown it yet."""
        return self._mined.get(key, 0) > self._rounds.head or key in self._sent

    def offer(self, duty: Duty, entry: Callable[[], _Entry]) -> None:
        """Have an entry sent, unless it waits or is on its way.

        Args:
            duty: Whose entry.
            entry: Makes it when it is needed.
        """
        if duty.key in self._waiting or self.is_on_its_way(duty.key):
            return
        if not self._refused.is_paused(duty.key):
            self._waiting[duty.key] = (duty, entry())

    def keep(self, steps: Mapping[DutyKey, Step]) -> None:
        """Drop what waits and no longer applies, and what the chain shows.

        Args:
            steps: The next step of every live duty.
        """
        computing = sum(step is Step.COMPUTE for step in steps.values())
        self._is_crowded = computing > _CROWD
        self._waiting = {
            key: entry
            for key, entry in self._waiting.items()
            if steps.get(key) is self._step
        }
        head = self._rounds.head
        self._mined = {k: block for k, block in self._mined.items() if block > head}

    def flush(self) -> None:
        """Send what waits, if it is time to."""
        while self._waiting and self._may_send():
            keys = list(self._waiting)[:MAX_AT_ONCE]
            self._start([self._waiting.pop(key) for key in keys])

    def _may_send(self) -> bool:
        now = self._clock()
        if now < self._paused_until or self._transactions >= _MAX_TRANSACTIONS:
            return False
        if len(self._waiting) >= MAX_AT_ONCE:
            return True
        age = now - self._last_sent
        if self._is_crowded:
            return not self._transactions and age >= self._hold_seconds
        return not self._transactions or age >= _SPACING_SECONDS

    def _start(self, batch: list[tuple[Duty, _Entry]]) -> None:
        entries = [entry for _, entry in batch]
        self._sent.update(duty.key for duty, _ in batch)
        self._transactions += 1
        self._number += 1
        self._last_sent = self._clock()
        self._background.start(
            (self._step, self._number),
            lambda: self._send(entries),
            done=lambda result: self._succeed(batch, result),
            failed=lambda error: self._fail(batch, error),
        )

    def _succeed(self, batch: list[tuple[Duty, _Entry]], result: TxReceipt) -> None:
        self._end(batch)
        skipped = {
            log.event.job_id: log.event.reason
            for log in result.logs
            if isinstance(log.event, EntrySkipped)
        }
        for duty, _ in batch:
            reason = skipped.get(duty.job_id)
            if reason is None:
                self._mined[duty.key] = result.block_number
                self._refused.clear(duty.key)
                _log(self._done, duty.job_id, tx_hash=result.tx_hash)
            else:
                self._metrics.skipped(self._step.value)
                name = error_name(reason)
                _log("skipped", duty.job_id, step=self._step.value, reason=name)
        # What the contract says of them is not what we thought.
        self._rounds.forget(skipped)
        mined = len(batch) - len(skipped)
        if self._step is Step.COMMIT:
            self._metrics.committed(mined)
        else:
            self._metrics.revealed(mined)

    def _fail(self, batch: list[tuple[Duty, _Entry]], error: Exception) -> None:
        """Ticks decide anew: of these after a revert, else of all, after a pause."""
        self._end(batch)
        if isinstance(error, ContractReverted):
            self._rounds.forget([duty.job_id for duty, _ in batch])
            for duty, _ in batch:
                self._refused.fail(duty.key)
        else:
            self._paused_until = self._clock() + _PAUSE_SECONDS
        self._metrics.step_failed(self._step.value)
        for duty, _ in batch:
            step = self._step.value
            _log("step failed", duty.job_id, step=step, reason=str(error))

    def _end(self, batch: list[tuple[Duty, _Entry]]) -> None:
        self._transactions -= 1
        self._sent.difference_update(duty.key for duty, _ in batch)


def _log(event: str, job_id: JobId, **facts: object) -> None:
    logger.info(event, extra={"job_id": to_hex(job_id), **facts})
