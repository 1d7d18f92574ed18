"""An index that has seen reorganisations equals one of the final chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.database.engine import Database
from gateway.indexer.indexer import Indexer
from protocol.market.events import (
    Announced,
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    EntrySkipped,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    ResultAccepted,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RevealOpened,
    RoundSplit,
    SeatClosed,
    SeatClosing,
    SeatOpened,
    SeatSlashed,
    StakeDeposited,
    Withdrawn,
    WorkerPaid,
)
from protocol.market.types import ZERO_ADDRESS, JobId, JobState, SlashReason
from tests.integration.gateway.index_contents import (
    MARKET,
    contents,
    empty,
    index_all,
)
from tests.support.machines.databases import KINDS, fresh_url, open_quick
from tests.support.market.market_history import (
    MadeChain,
    a_job_life,
    an_account,
    opening,
)
from tests.support.market.values import a_digest, a_job, a_model, an_outcome

# Few of everything, so that events of a history have to do with each other.
JOBS = st.sampled_from([JobId(a_digest(f"job {n}")) for n in range(3)])
ACCOUNTS = st.sampled_from([an_account(100 + n) for n in range(3)])
SEATS = st.integers(0, 2)
ROUNDS = st.integers(1, 2)
PLACES = st.integers(0, 2)
AMOUNTS = st.one_of(st.integers(0, 3), st.integers(2**95, 2**96 - 1))
DIGESTS = st.sampled_from([a_digest(name) for name in "ab"])
OUTCOMES = st.sampled_from([an_outcome("right"), an_outcome("wrong")])
MODEL = a_model()
PARAMS = st.builds(
    lambda requester, callback: replace(
        a_job(), requester=requester, callback=callback
    ),
    ACCOUNTS,
    st.sampled_from([ZERO_ADDRESS, an_account(9)]),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda job, params, amount: JobPosted(
            job, params.requester, params.model_id, params, amount
        ),
        JOBS,
        PARAMS,
        AMOUNTS,
    ),
    st.builds(DrawArmed, JOBS, ROUNDS, st.just(7), st.just(107), AMOUNTS),
    st.builds(
        CommitteeDrawn,
        *(JOBS, ROUNDS, st.just(7), DIGESTS),
        st.tuples(SEATS, SEATS),
        st.tuples(ACCOUNTS, ACCOUNTS),
        st.just(1_700_000_100),
    ),
    st.builds(ResultCommitted, JOBS, ACCOUNTS, ROUNDS, PLACES, DIGESTS),
    st.builds(RevealOpened, JOBS, ROUNDS, st.just(1_700_000_200)),
    st.builds(ResultRevealed, JOBS, ACCOUNTS, ROUNDS, PLACES, OUTCOMES, DIGESTS),
    st.builds(ResultAccepted, JOBS, ROUNDS, OUTCOMES.map(lambda one: one.answer())),
    st.builds(RoundSplit, JOBS, ROUNDS, DIGESTS),
    st.builds(WorkerPaid, JOBS, ACCOUNTS, AMOUNTS),
    st.builds(BountyPaid, JOBS, ACCOUNTS, AMOUNTS),
    st.builds(
        JobSettled,
        JOBS,
        st.sampled_from([JobState.ACCEPTED, JobState.FAILED]),
        *(AMOUNTS, AMOUNTS, AMOUNTS, DIGESTS),
    ),
    st.builds(JobCancelled, JOBS, AMOUNTS),
    st.builds(ResultDelivered, JOBS, ACCOUNTS, st.booleans()),
    st.builds(EntrySkipped, JOBS, ACCOUNTS, PLACES, st.just(b"skip")),
    st.builds(Announced, ACCOUNTS, st.just(b"/ip4/127.0.0.1/tcp/4001")),
    st.builds(StakeDeposited, ACCOUNTS, AMOUNTS),
    st.builds(Withdrawn, ACCOUNTS, ACCOUNTS, AMOUNTS),
    st.builds(SeatOpened, SEATS, ACCOUNTS, st.just(MODEL.model_id()), st.just(1)),
    st.builds(SeatClosing, SEATS, ACCOUNTS),
    st.builds(SeatClosed, SEATS, ACCOUNTS, AMOUNTS),
    st.builds(
        SeatSlashed, JOBS, ACCOUNTS, SEATS, st.sampled_from(SlashReason), AMOUNTS
    ),
)
TRANSACTIONS = st.lists(st.lists(EVENTS, max_size=4), max_size=3)
BLOCKS = st.lists(TRANSACTIONS, max_size=4)
# So many blocks taken back, those that take their place, and whether the indexer looks.
CHANGES = st.lists(st.tuples(st.integers(0, 6), BLOCKS, st.booleans()), max_size=6)

# An example costs dozens of transactions.
EXAMPLES = settings().max_examples // 4


@pytest.fixture(scope="module", params=KINDS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Database]]:
    """Two databases of a kind; hypothesis empties them for each example."""
    with (
        fresh_url(request, tmp_path_factory.mktemp("followed")) as first,
        fresh_url(request, tmp_path_factory.mktemp("fresh")) as second,
        open_quick(first) as one,
        open_quick(second) as other,
    ):
        yield one, other


@given(changes=CHANGES, states_times=st.booleans())
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_index_of_any_history_equals_one_of_the_final_chain(
    pair: tuple[Database, Database],
    changes: list[tuple[int, list[list[list[Event]]], bool]],
    states_times: bool,
) -> None:
    followed, fresh = pair
    empty(followed)
    empty(fresh)
    chain = MadeChain(states_times=states_times)
    indexer = Indexer(followed, chain, MARKET)
    longest = 0
    for depth, blocks, is_polled in changes:
        chain.drop(depth)
        for transactions in blocks:
            chain.mine(*transactions)
        longest = max(longest, chain.block_number())
        if is_polled:
            indexer.step()
    # A chain that got shorter is reorganised once it has as many blocks again.
    while chain.block_number() < longest:
        chain.mine()
    indexer.resign()
    index_all(followed, chain)
    index_all(fresh, chain)
    assert contents(followed) == contents(fresh)


def test_index_of_a_life_taken_back_step_by_step_equals_a_fresh_one(
    pair: tuple[Database, Database],
) -> None:
    """Every prefix of two jobs' lives is reached by going back as by going forward."""
    followed, fresh = pair
    chain = MadeChain()
    chain.mine(opening(3))
    for number in range(2):
        for block in a_job_life(number):
            chain.mine(*block)
    empty(followed)
    indexer = Indexer(followed, chain, MARKET)
    indexer.step()
    for depth in range(1, chain.block_number() + 1):
        chain.drop(depth)
        for _ in range(depth):
            chain.mine()
        indexer.step()
        empty(fresh)
        index_all(fresh, chain)
        assert contents(followed) == contents(fresh)
    assert [name for name, rows in contents(followed).items() if rows] == [
        "market_index"
    ]


def test_index_after_a_reset_of_the_chain_forgets_all_of_the_old_one(
    pair: tuple[Database, Database],
) -> None:
    followed, fresh = pair
    old, new = MadeChain(), MadeChain()
    # No block of the new chain has a hash of the old one.
    new.blocks.clear()
    for _ in range(20):
        old.mine(*a_job_life(1)[0])
    for _ in range(30):
        new.mine()
    new.blocks[:] = [
        replace(one, digest="0x" + one.digest[2:][::-1]) for one in new.blocks
    ]
    new.mine(opening(1))
    empty(followed)
    index_all(followed, old)
    index_all(followed, new)
    empty(fresh)
    index_all(fresh, new)
    assert contents(followed) == contents(fresh)
