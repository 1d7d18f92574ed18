"""The made history of the indexer's benchmark is what a node would send."""

from __future__ import annotations

from benchmarks.indexer.chain import a_market
from protocol.market.events import JobPosted, JobSettled
from tests.support.market.market_history import MadeChain, a_job_life


def test_a_market_decodes_into_the_lives_of_its_jobs() -> None:
    chain = a_market(9, live_blocks=4)
    logs = chain.events()
    made = MadeChain()
    for block in a_job_life(3):
        made.mine(*block)
    expected = [log.event for log in made.events()]
    job_id = getattr(expected[0], "job_id", None)
    found = [log.event for log in logs if getattr(log.event, "job_id", None) == job_id]
    assert found == expected
    assert all(log.block_time == chain.block_time(log.block_number) for log in logs)


def test_a_market_has_blocks_to_follow_live() -> None:
    chain = a_market(9, live_blocks=4)
    chain.head = chain.length - 5
    before = chain.events()
    assert sum(isinstance(log.event, JobPosted) for log in before) == 9
    assert sum(isinstance(log.event, JobSettled) for log in before) == 9
    chain.head += 4
    assert len(chain.events()) == 2 * len(before) - 7
