"""A worker's seats are read from the log once, and followed from there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.market.events import Event, Log, SeatOpened
from protocol.market.terms import MarketTerms
from protocol.market.types import ZERO_ADDRESS, Account, ModelId, Seat
from tests.support.market.model_market import OTHERS, WORKER
from tests.support.market.values import a_model
from worker.drain import Drain
from worker.models.loading import ServedModel
from worker.seats.holdings import HeldSeat, Holdings, SeatState
from worker.seats.upkeep import SeatUpkeep

START, REORG_BLOCKS = 1_000, 128
SPEC = a_model()
MODEL = SPEC.model_id()


@dataclass
class SeatChain:
    """As much of a client as seats need; notes which blocks' logs are asked for."""

    address = WORKER
    deployment = SimpleNamespace(block_number=START)
    config = MarketTerms.development().to_config(
        token=ZERO_ADDRESS, registry=ZERO_ADDRESS, deployer=ZERO_ADDRESS
    )
    block: int = START + 500
    logs: list[Log] = field(default_factory=list)
    seats: dict[int, Seat] = field(default_factory=dict)
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def block_number(self) -> int:
        return self.block

    def events(
        self,
        *,
        kinds: tuple[type[Event], ...],
        from_block: int | None = None,
        to_block: int | None = None,
    ) -> list[Log]:
        first = START if from_block is None else from_block
        last = self.block if to_block is None else to_block
        self.ranges.append((first, last))
        return [log for log in self.logs if first <= log.block_number <= last]

    def seat_of(self, seat_id: int) -> Seat:
        return self.seats[seat_id]

    def account_of(self, owner: str, *, block: str = "latest") -> Account:
        held = sum(seat.owner == owner for seat in self.seats.values())
        return Account(10 * self.config.seat_bond, 0, 0, 0, held, 0)

    def open_seats(
        self, model_id: ModelId, tick: int, count: int, owner: Any = WORKER
    ) -> Any:
        self.block += 1
        for _ in range(count):
            number = len(self.seats) + 1
            self.seats[number] = Seat(
                owner, model_id, tick, 0, False, False, self.block, 0, 0, 0
            )
            event = SeatOpened(number, owner, model_id, tick)
            self.logs.append(Log(event, self.block, "", "", 0, WORKER))
        return SimpleNamespace(tx_hash="0x")

    def close_seat(self, seat_id: int) -> None:
        seat = self.seats[seat_id]
        self.seats[seat_id] = replace(
            seat, is_closing=True, close_requested_block=self.block
        )

    def leave_seat(self, seat_id: int) -> None:
        self.seats[seat_id] = replace(self.seats[seat_id], owner=ZERO_ADDRESS)


def parts(chain: Any) -> tuple[Holdings, SeatUpkeep]:
    nothing: Any = None
    holdings = Holdings(chain, WORKER)
    model = ServedModel(MODEL, SPEC, nothing, nothing, tokens_per_second=1e6)
    return holdings, SeatUpkeep(chain, holdings, [model], tick=0, max_seats=2)


def test_seats_over_a_life_are_read_from_old_blocks_once() -> None:
    chain = SeatChain()
    journal: Any = SimpleNamespace(open_jobs=list, live_duties=list)
    holdings, upkeep = parts(chain)
    client: Any = chain
    upkeep.open()
    upkeep.close()
    chain.block += chain.config.draw_deadline_blocks + 2
    upkeep.recover_bonds()
    upkeep.open()
    drain = Drain(client, holdings, journal, (), confirmations=0, limit_seconds=60)
    drain.is_done(closes_seats=True)
    chain.block += 1
    drain.is_done(closes_seats=True)

    assert chain.ranges[0] == (START, START + 500)
    assert len(chain.ranges) > 8
    for (_, before), (first, _) in pairwise(chain.ranges):
        assert first > before - REORG_BLOCKS


def test_read_finds_seats_of_a_block_that_replaced_a_young_one() -> None:
    chain = SeatChain()
    holdings, _ = parts(chain)
    chain.open_seats(MODEL, 0, 1)
    assert len(holdings.read()) == 1
    # As if the last blocks had been mined anew, with another seat in them.
    chain.block -= 100
    chain.logs.clear()
    chain.open_seats(MODEL, 3, 1)
    chain.block += 100
    assert [seat.tick for seat in holdings.read()] == [0, 3]


def test_read_leaves_out_seats_that_others_hold_now() -> None:
    chain = SeatChain()
    holdings, _ = parts(chain)
    chain.open_seats(MODEL, 0, 2)
    chain.open_seats(MODEL, 0, 1, owner=OTHERS[0])
    chain.seats[1] = replace(chain.seats[1], owner=OTHERS[0])
    assert [seat.seat_id for seat in holdings.read()] == [2]


def test_open_for_leaves_out_closing_seats_and_other_models() -> None:
    chain = SeatChain()
    holdings, _ = parts(chain)
    chain.open_seats(MODEL, 0, 2)
    chain.open_seats(ModelId(bytes(32)), 0, 1)
    chain.close_seat(1)
    assert holdings.open_for(MODEL) == [2]


def test_read_on_two_threads_reads_old_blocks_once() -> None:
    chain = SeatChain()
    holdings, _ = parts(chain)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: holdings.read(), range(2)))
    assert [first for first, _ in chain.ranges] == [START, START + 501 - REORG_BLOCKS]


SEAT = HeldSeat(5, ModelId(b"\7" * 32), 0, False, None, None)


@pytest.mark.parametrize(
    ("seat", "state"),
    [
        (SEAT, SeatState.IDLE),
        (replace(SEAT, is_busy=True), SeatState.BUSY),
        (replace(SEAT, close_requested_block=9), SeatState.CLOSING),
        (replace(SEAT, close_requested_block=9, is_busy=True), SeatState.BUSY),
    ],
)
def test_state_of_a_seat_puts_its_job_first(seat: HeldSeat, state: SeatState) -> None:
    assert seat.state is state


@pytest.mark.parametrize(
    ("changes", "head", "can"),
    [
        ({}, 400, False),
        ({"close_requested_block": 9, "leaves_at_block": 267}, 265, False),
        ({"close_requested_block": 9, "leaves_at_block": 267}, 266, True),
        (
            {"close_requested_block": 9, "leaves_at_block": 267, "is_busy": True},
            266,
            False,
        ),
    ],
)
def test_can_leave_a_seat_once_its_block_comes_next(
    changes: dict[str, int | bool], head: int, can: bool
) -> None:
    assert replace(SEAT, **changes).can_leave(head) is can  # type: ignore[arg-type]
