"""A chain of blocks made of values, which can be reorganised, and lives of jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from protocol.chain.rpc.receipts import TxReceipt
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobPosted,
    JobSettled,
    Log,
    ModelRegistered,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    SeatOpened,
    StakeDeposited,
    WorkerPaid,
)
from protocol.market.types import JobId, JobState
from tests.support.market.values import a_digest, a_job, a_model, an_outcome

__all__ = ["MADE_MARKETPLACE", "MadeChain", "a_job_life", "an_account", "opening"]

START_TIME = 1_700_000_000
BLOCK_SECONDS = 2
BOUNTY = 1_000


def an_account(number: int) -> ChecksumAddress:
    return to_checksum_address(f"0x{number:040x}")


MADE_MARKETPLACE = an_account(0xE0)


@dataclass(frozen=True, slots=True)
class MadeBlock:
    """A block: its hash, and its transactions' events."""

    digest: str
    transactions: tuple[tuple[Event, ...], ...]


class MadeChain:
    """What an indexer reads, with every block's events known."""

    def __init__(self, *, states_times: bool = True) -> None:
        """Begin with an empty block 0.

        Args:
            states_times: Whether logs carry the time of their block.
        """
        self._made = count(1)
        self._states_times = states_times
        self.blocks: list[MadeBlock] = []
        self.before_events: Callable[[], None] = lambda: None
        self.mine()

    def mine(self, *transactions: Iterable[Event]) -> None:
        digest = f"0x{next(self._made):064x}"
        events = tuple(tuple(events) for events in transactions)
        self.blocks.append(MadeBlock(digest, events))

    def drop(self, depth: int) -> None:
        """Take the last blocks back; block 0 stays."""
        del self.blocks[max(1, len(self.blocks) - depth) :]

    def block_number(self) -> int:
        return len(self.blocks) - 1

    def block_hash(self, number: int) -> str | None:
        return self.blocks[number].digest if number < len(self.blocks) else None

    def block_time(self, block: int) -> int:
        return START_TIME + BLOCK_SECONDS * block

    def events(
        self,
        *,
        from_block: int | None = None,
        to_block: int | None = None,
        kinds: Collection[type[Event]] | None = None,
    ) -> list[Log]:
        self.before_events()
        first = 0 if from_block is None else from_block
        last = self.block_number() if to_block is None else to_block
        numbers = range(first, min(last + 1, len(self.blocks)))
        return [log for number in numbers for log in self._logs(number)]

    def receipt(self, tx_hash: str) -> TxReceipt | None:
        for number, block in enumerate(self.blocks):
            hashes = [_tx_hash(block, i) for i in range(len(block.transactions))]
            if tx_hash in hashes:
                gas = 100_000 + hashes.index(tx_hash)
                return TxReceipt(tx_hash, number, block.digest, True, gas, 10**9)
        return None

    def _logs(self, number: int) -> Iterable[Log]:
        block = self.blocks[number]
        index = count()
        for position, events in enumerate(block.transactions):
            for event in events:
                yield Log(
                    event=event,
                    block_number=number,
                    block_hash=block.digest,
                    tx_hash=_tx_hash(block, position),
                    log_index=next(index),
                    address=MADE_MARKETPLACE,
                    block_time=self.block_time(number) if self._states_times else None,
                )


def _tx_hash(block: MadeBlock, position: int) -> str:
    return f"0x{int(block.digest, 16):032x}{position:032x}"


def opening(workers: int) -> list[Event]:
    """A model, and workers with a seat each."""
    model = a_model()
    events: list[Event] = [ModelRegistered(model.model_id(), an_account(1), model)]
    for number in range(workers):
        owner = an_account(100 + number)
        events += [
            StakeDeposited(owner, 2**95),
            SeatOpened(number + 1, owner, model.model_id(), 0),
        ]
    return events


def a_job_life(
    number: int, *, escrowed: int = 2**95 + 1, workers: Sequence[int] = (0, 1, 2)
) -> list[list[list[Event]]]:
    """A job that is accepted: its blocks, of transactions, of events.

    Args:
        number: Makes the job another one.
        escrowed: Units, by default more than a float holds exactly.
        workers: The committee, numbers of `opening`.
    """
    params = replace(a_job(nonce=number), requester=an_account(50 + number % 7))
    job = JobId(keccak(text=f"job {number}"))
    accounts = tuple(an_account(100 + worker) for worker in workers)
    seats = tuple(worker + 1 for worker in workers)
    outcome = an_outcome(token_count=700 + number % 100)
    pay, fee = 2**80 + number, 2**70
    paid = len(workers) * pay + 2 * BOUNTY
    members = list(enumerate(accounts))
    deadline = START_TIME + 10**6
    commits: list[list[Event]] = [
        [ResultCommitted(job, one, 1, place, a_digest(f"c{number}.{place}"))]
        for place, one in members
    ]
    commits[-1].append(RevealOpened(job, 1, deadline + 60))
    reveals: list[list[Event]] = [
        [ResultRevealed(job, one, 1, place, outcome, a_digest("salt"))]
        for place, one in members
    ]
    reveals[len(workers) // 2].append(ResultAccepted(job, 1, outcome.answer()))
    reveals[-1] += [WorkerPaid(job, one, pay) for one in accounts]
    reveals[-1].append(
        JobSettled(
            job, JobState.ACCEPTED, paid, escrowed - paid - fee, fee, a_digest("end")
        )
    )
    posting: list[Event] = [
        JobPosted(job, params.requester, params.model_id, params, escrowed),
        DrawArmed(job, 1, 5, 105, 3),
    ]
    drawing: list[Event] = [
        CommitteeDrawn(job, 1, 5, a_digest("seed"), seats, accounts, deadline),
        BountyPaid(job, an_account(60), BOUNTY),
    ]
    return [[posting], [drawing], commits, reveals]
