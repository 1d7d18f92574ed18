from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address

from protocol.chain.cursor import EventBatch
from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobSettled,
    Log,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    StakeDeposited,
)
from protocol.market.types import JobId, JobState, Outcome, Round
from worker.rounds.following import Rounds, round_after, round_at

JOB = JobId(b"\1" * 32)
WORKER = to_checksum_address("0x" + "11" * 20)
MARKET = to_checksum_address("0x" + "22" * 20)
ARMED = DrawArmed(JOB, 1, 12, 268, 0)
DRAWN = CommitteeDrawn(JOB, 1, 12, bytes(32), (7, 8), (WORKER, WORKER), 1_000)
SETTLED = JobSettled(JOB, JobState.ACCEPTED, 0, 0, 0, bytes(32))
ROUND = Round(
    state=JobState.COMMITTING,
    number=1,
    seed_block=0,
    expiry_block=0,
    deadline=1_000,
    seat_ids=(7, 8),
    committed=0,
    revealed=0,
    record=bytes(32),
    is_delivered=False,
)


def committed(place: int) -> ResultCommitted:
    return ResultCommitted(JOB, WORKER, 1, place, b"\3" * 32)


def batch(*events: Event, head: int = 20, rewound_to: int | None = None) -> EventBatch:
    logs = [Log(e, head, "0x0", "0x0", n, MARKET) for n, e in enumerate(events)]
    return EventBatch(tuple(logs), rewound_to, head)


class Chain:
    """Says what it is told to, and remembers at which blocks it was asked."""

    def __init__(self, current: Round = ROUND) -> None:
        self.current = current
        self.asked: list[int] = []

    def round_of(self, job_id: JobId, *, block: int) -> Round:
        self.asked.append(block)
        return self.current


def rounds_of(chain: Chain) -> Rounds:
    return Rounds(chain, reveal_window_seconds=60)


def test_round_after_the_events_of_a_round_stands_where_they_lead() -> None:
    opened = round_after(None, ARMED)
    assert opened is not None
    assert (opened.state, opened.seed_block) == (JobState.OPEN, 12)
    drawn = round_after(opened, DRAWN)
    assert drawn == ROUND
    first = round_after(drawn, committed(1))
    assert first == replace(ROUND, committed=0b10)
    revealing = round_after(first, RevealOpened(JOB, 1, 1_100))
    assert revealing is not None
    assert (revealing.state, revealing.deadline) == (JobState.REVEALING, 1_100)
    revealed = round_after(
        revealing, ResultRevealed(JOB, WORKER, 1, 1, Outcome.none(), bytes(32))
    )
    assert revealed == replace(revealing, revealed=0b10)
    assert round_after(revealed, SETTLED) is None


def test_round_after_an_event_of_an_unknown_round_is_unknown() -> None:
    assert round_after(None, committed(0)) is None


def test_round_after_an_event_that_moves_none_raises() -> None:
    with pytest.raises(TypeError, match="StakeDeposited moves no round"):
        round_after(ROUND, StakeDeposited(WORKER, 1))


@pytest.mark.parametrize(
    ("marks", "now", "state", "deadline"),
    [
        (0b01, 1_000, JobState.COMMITTING, 1_000),
        (0b01, 1_001, JobState.REVEALING, 1_060),
        (0b00, 1_001, JobState.COMMITTING, 1_000),
    ],
)
def test_round_at_a_time_reveals_once_the_window_of_commitments_is_over(
    marks: int, now: int, state: JobState, deadline: int
) -> None:
    current = round_at(replace(ROUND, committed=marks), now, reveal_window_seconds=60)

    assert (current.state, current.deadline) == (state, deadline)


def test_of_asks_once_and_follows_events_from_there() -> None:
    chain = Chain()
    rounds = rounds_of(chain)
    rounds.apply(batch(head=20))
    assert rounds.of(JOB, now=900) == ROUND
    rounds.apply(batch(committed(0), head=21))

    assert rounds.of(JOB, now=900).committed == 0b01
    assert chain.asked == [20]


def test_of_a_job_posted_since_is_not_asked_for() -> None:
    chain = Chain()
    rounds = rounds_of(chain)
    rounds.apply(batch(ARMED, DRAWN))

    assert rounds.of(JOB, now=900) == ROUND
    assert chain.asked == []


def test_of_after_a_reorganisation_asks_again() -> None:
    chain = Chain()
    rounds = rounds_of(chain)
    rounds.apply(batch(ARMED, DRAWN, committed(0)))
    rounds.apply(batch(head=21, rewound_to=19))

    assert rounds.of(JOB, now=900).committed == 0
    assert chain.asked == [21]


def test_move_forgets_rounds_that_would_be_asked_for_again() -> None:
    chain = Chain()
    rounds = rounds_of(chain)
    rounds.apply(batch(SETTLED, head=20))
    # By a keeper that waits for confirmations: the job has ended already.
    rounds.of(JOB, now=900)
    rounds.apply(batch(head=83))
    rounds.of(JOB, now=900)
    assert chain.asked == [20]
    rounds.apply(batch(head=84))
    assert not rounds._known
    rounds.of(JOB, now=900)

    assert chain.asked == [20, 84]


def test_of_what_was_forgotten_asks_again() -> None:
    chain = Chain()
    rounds = rounds_of(chain)
    rounds.apply(batch(ARMED, DRAWN))
    rounds.forget([JOB])
    rounds.of(JOB, now=900)

    assert chain.asked == [20]


def test_of_after_many_blocks_asks_again() -> None:
    chain = Chain()
    rounds = rounds_of(chain)
    rounds.apply(batch(ARMED, DRAWN, head=20))
    rounds.apply(batch(head=83))
    rounds.of(JOB, now=900)
    assert chain.asked == []
    rounds.apply(batch(head=84))
    rounds.of(JOB, now=900)

    assert chain.asked == [84]
