from __future__ import annotations

from eth_utils.address import to_checksum_address

from protocol.chain.cursor import EventBatch
from protocol.market.events import (
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobSettled,
    Log,
    ResultCommitted,
)
from protocol.market.types import JobId, JobState, Round
from tests.support.market.values import a_round
from worker.rounds.following import Rounds

JOB = JobId(b"\1" * 32)
WORKER = to_checksum_address("0x" + "11" * 20)
MARKET = to_checksum_address("0x" + "22" * 20)
ARMED = DrawArmed(JOB, 1, 12, 268, 0)
DRAWN = CommitteeDrawn(JOB, 1, 12, bytes(32), (7, 8), (WORKER, WORKER), 1_000)
SETTLED = JobSettled(JOB, JobState.ACCEPTED, 0, 0, 0, bytes(32))
ROUND = a_round(seat_ids=(7, 8))


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
