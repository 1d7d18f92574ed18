"""What people are told of a job: every event of it that means anything to them."""

from __future__ import annotations

from protocol.amounts import Amounts
from protocol.market.events import EntrySkipped, RevealOpened
from protocol.market.sentences import sentence_of
from tests.unit.devnet.demo.builders import (
    JOB,
    REQUESTER,
    WORKERS,
    an_accepted_job,
    logs_of,
    seats_opened,
)

DOLLARS = Amounts(decimals=6, symbol="ATD")


def test_sentence_of_each_event_of_a_job_names_who_and_how_much() -> None:
    told = [
        str(sentence_of(log.event, DOLLARS)) for log in logs_of(an_accepted_job(liar=2))
    ]
    assert told[:2] == [
        "posted, 0.08323 ATD locked",
        "draw armed for the seed of block 1",
    ]
    assert told[2] == f"committee drawn: {', '.join(WORKERS)}"
    assert told[3] == f"bounty of 0.01 ATD to {REQUESTER}"
    assert f"{WORKERS[0]} revealed, 400 tokens" in told
    assert f"{WORKERS[2]} slashed 50 ATD: wrong result" in told
    assert told[-1].startswith("settled as Accepted: 0.0516 ATD paid")


def test_sentence_of_an_event_that_says_nothing_to_people_is_none() -> None:
    for log in logs_of(seats_opened()):
        assert sentence_of(log.event, DOLLARS) is None
    skipped = EntrySkipped(JOB, WORKERS[0], 0, bytes(4))
    assert sentence_of(skipped, DOLLARS) is None
    assert sentence_of(RevealOpened(JOB, 1, 9), DOLLARS) is not None
