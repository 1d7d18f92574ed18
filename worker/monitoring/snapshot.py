"""What a worker has and owes, read from the chain and its journal by anybody.

Nothing is written and no key is needed: the running worker's metrics and
`assay worker status` show the same facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eth_typing import ChecksumAddress

from protocol.chain.reader import MarketReader
from protocol.host.sqlite_file import SqliteFile
from protocol.market.types import Account, JobId, ModelId
from worker.duty import Duty, JobStage, stage_of
from worker.journal.journal import Journal
from worker.journal.schema import SCHEMA
from worker.seats.holdings import HeldSeat, Holdings, SeatState

__all__ = ["PendingDuty", "Snapshot", "SnapshotReader"]


@dataclass(frozen=True, slots=True)
class PendingDuty:
    """A duty whose round goes on.

    Attributes:
        job_id: The job.
        round_number: The round, from 1.
        seat_id: The seat that was drawn.
        stage: How far it is.
        deadline: Last second of the present window, Unix time.
    """

    job_id: JobId
    round_number: int
    seat_id: int
    stage: JobStage
    deadline: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A worker at one moment.

    Attributes:
        worker: Its address.
        block_number: Last block.
        block_time: Its time, Unix seconds.
        gas_wei: Money for gas, wei.
        tokens: Tokens held outside the market, units.
        seat_bond: Bond of one seat, token units.
        account: Credit and record on the market.
        seats: The seats it holds.
        duties: What it is on committees for.
    """

    worker: ChecksumAddress
    block_number: int
    block_time: int
    gas_wei: int
    tokens: int
    seat_bond: int
    account: Account
    seats: tuple[HeldSeat, ...]
    duties: tuple[PendingDuty, ...]

    @property
    def stake(self) -> int:
        """Bonds of all seats, token units."""
        return self.seat_bond * len(self.seats)

    @property
    def stake_at_risk(self) -> int:
        """Bonds of seats that serve a job, token units."""
        return self.seat_bond * sum(seat.is_busy for seat in self.seats)

    def stages(self) -> Counter[JobStage]:
        """How many duties stand where."""
        return Counter(duty.stage for duty in self.duties)

    def seat_states(self, model_id: ModelId) -> Counter[SeatState]:
        """How many seats of a model do what."""
        return Counter(seat.state for seat in self.seats if seat.model_id == model_id)


class SnapshotReader:
    """Takes one snapshot after the other. Not for use by several threads."""

    def __init__(self, reader: MarketReader, holdings: Holdings, journal: Path) -> None:
        """Nothing is read before `read`.

        Args:
            reader: Where the chain is read.
            holdings: The worker's seats.
            journal: The worker's journal; need not exist.
        """
        self._reader = reader
        self._worker = holdings.owner
        self._journal = journal
        self._holdings = holdings

    def read(self) -> Snapshot:
        """Read everything.

        Raises:
            RpcUnavailable: The node fails.
            JournalError: The journal cannot be read.
        """
        reader = self._reader
        now = reader.block_time()
        return Snapshot(
            worker=self._worker,
            block_number=reader.block_number(),
            block_time=now,
            gas_wei=reader.balance(self._worker),
            tokens=reader.token_balance(self._worker),
            seat_bond=reader.config.seat_bond,
            account=reader.account_of(self._worker),
            seats=tuple(self._holdings.read()),
            duties=tuple(self._open_duties(now)),
        )

    def _open_duties(self, now: int) -> Iterator[PendingDuty]:
        for duty in _duties_in(self._journal):
            current = self._reader.round_of(duty.job_id)
            stage = stage_of(duty, current, now)
            if stage is not None:
                yield PendingDuty(
                    job_id=duty.job_id,
                    round_number=duty.round_number,
                    seat_id=duty.seat_id,
                    stage=stage,
                    deadline=current.deadline,
                )


def _duties_in(path: Path) -> list[Duty]:
    """Live duties in a journal that another process may be writing."""
    if not path.exists():
        return []
    with SqliteFile(path, SCHEMA, is_read_only=True) as file:
        return Journal(file).live_duties()
