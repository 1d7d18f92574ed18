"""What the explorer and the API ask the index, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import pytest
from eth_utils.crypto import keccak
from sqlalchemy.orm import Session

from gateway.database.engine import Database
from gateway.indexer.costs import fill_costs
from gateway.indexer.projection import Verdict
from gateway.market_data.accounts import (
    Participant,
    actions_of,
    duties_of,
    find_participant,
    list_workers,
    seats_of,
)
from gateway.market_data.histories import FlowKind, job_history
from gateway.market_data.jobs import (
    JobFilter,
    find_job,
    jobs_by_state,
    list_jobs,
    newest_jobs,
)
from gateway.market_data.models import find_model, list_models
from gateway.market_data.overview import gas_per_prompt, overview, time_series
from gateway.market_data.paging import Page
from protocol.errors import RequestError
from protocol.hexadecimal import to_hex
from protocol.market.events import (
    EntrySkipped,
    JobCancelled,
    ModelRegistered,
    SeatClosed,
    SeatSlashed,
)
from protocol.market.types import JobId, JobState, ModelId, SlashReason
from tests.integration.gateway.index_contents import index_all
from tests.support.machines.databases import KINDS, fresh_url, open_quick
from tests.support.market.market_history import (
    BLOCK_SECONDS,
    BOUNTY,
    START_TIME,
    MadeChain,
    a_job_life,
    an_account,
    opening,
)
from tests.support.market.values import a_digest, a_model

Item = TypeVar("Item")

JOBS = 12
CANCELLED = 100
LIVE = 101
ESCROW = 2**95 + 1
WORKERS = [an_account(100 + number) for number in range(4)]


def a_job_id(number: int) -> JobId:
    return JobId(keccak(text=f"job {number}"))


@pytest.fixture
def chain() -> MadeChain:
    return _chain()


def _chain() -> MadeChain:
    """Twelve accepted jobs, a cancelled one and one that waits for reveals."""
    chain = MadeChain()
    chain.mine(opening(4))
    for number in range(JOBS):
        for block in a_job_life(number):
            chain.mine(*block)
    chain.mine(*a_job_life(CANCELLED)[0], [JobCancelled(a_job_id(CANCELLED), ESCROW)])
    for block in a_job_life(LIVE)[:3]:
        chain.mine(*block)
    return chain


@pytest.fixture(scope="module", params=KINDS)
def indexed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """The chain's index on each kind of database, for tests that only read."""
    with (
        fresh_url(request, tmp_path_factory.mktemp("indexed")) as url,
        open_quick(url) as database,
    ):
        index_all(database, _chain())
        yield database


@pytest.fixture
def session(indexed: Database) -> Iterator[Session]:
    with indexed.reading() as session:
        yield session


def _all_pages(read: Callable[[str | None], Page[Item]]) -> list[Item]:
    found: list[Item] = []
    cursor: str | None = None
    while True:
        page = read(cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_list_jobs_over_its_pages_has_each_job_once_newest_first(
    session: Session,
) -> None:
    found = _all_pages(
        lambda cursor: list_jobs(session, JobFilter(), cursor=cursor, limit=5)
    )
    numbers = [LIVE, CANCELLED, *reversed(range(JOBS))]
    assert [job.job_id for job in found] == [a_job_id(n) for n in numbers]
    assert [job.job_id for job in newest_jobs(session, 2)] == [
        a_job_id(LIVE),
        a_job_id(CANCELLED),
    ]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (JobFilter(states=[JobState.ACCEPTED]), 12),
        (JobFilter(states=[JobState.CANCELLED, JobState.REVEALING]), 2),
        (JobFilter(requester=an_account(50)), 2),
        (JobFilter(worker=WORKERS[0]), 13),
        (JobFilter(worker=WORKERS[3]), 0),
        (JobFilter(model_id=a_model().model_id()), 14),
        (JobFilter(model_id=ModelId(bytes(32))), 0),
        (JobFilter(text=f"  {to_hex(a_job_id(3))} "), 1),
        (JobFilter(text=f"0x{a_job_id(3).hex()[:9].upper()}"), 1),
        (JobFilter(text=an_account(50).lower()), 2),
        (JobFilter(text=WORKERS[1]), 13),
        (JobFilter(text=f"{to_hex(a_digest('prompts'))}"), 14),
        (JobFilter(text=f"{to_hex(a_digest('results of right'))}"), 12),
        (JobFilter(text=f"{to_hex(a_model().model_id())}"), 14),
        (JobFilter(text="0x" + "77" * 32), 0),
        (JobFilter(text=WORKERS[1], states=[JobState.REVEALING]), 1),
    ],
)
def test_list_jobs_with_a_filter_finds_those_jobs(
    session: Session, wanted: JobFilter, count: int
) -> None:
    assert len(list_jobs(session, wanted).items) == count


def test_list_jobs_by_a_transaction_finds_what_it_moved(session: Session) -> None:
    posted = find_job(session, a_job_id(4))
    assert posted is not None
    found = list_jobs(session, JobFilter(text=to_hex(posted.posted_tx)))
    assert [job.job_id for job in found.items] == [a_job_id(4)]


@pytest.mark.parametrize(
    "text", ["hello", "0x", "0xzz", "0x" + "1" * 65, "%", "' OR 1"]
)
def test_list_jobs_with_a_senseless_text_says_what_to_type(
    session: Session, text: str
) -> None:
    with pytest.raises(RequestError, match="give the id of a job"):
        list_jobs(session, JobFilter(text=text))


@pytest.mark.parametrize("cursor", ["", "1", "a.b", "1.2.3", "-1.2", "9" * 19 + ".1"])
def test_list_jobs_with_a_malformed_cursor_is_refused(
    session: Session, cursor: str
) -> None:
    with pytest.raises(RequestError, match="cursor is malformed"):
        list_jobs(session, JobFilter(), cursor=cursor)


def test_jobs_by_state_has_all_states(session: Session) -> None:
    assert jobs_by_state(session) == {
        JobState.OPEN: 0,
        JobState.COMMITTING: 0,
        JobState.REVEALING: 1,
        JobState.ACCEPTED: 12,
        JobState.FAILED: 0,
        JobState.CANCELLED: 1,
    }


def test_job_history_of_an_accepted_job_tells_all_of_it(session: Session) -> None:
    history = job_history(session, a_job_id(3))
    assert history is not None
    assert history.summary.state is JobState.ACCEPTED
    assert history.timeline.state is JobState.ACCEPTED
    assert history.summary.escrowed == ESCROW
    assert history.summary.token_count == 703
    assert history.summary.seconds == 3 * BLOCK_SECONDS
    (only,) = history.rounds
    assert [member.worker for member in only.members] == WORKERS[:3]
    assert {member.verdict for member in only.members} == {Verdict.AGREED}
    assert {member.earned for member in only.members} == {2**80 + 3}
    out = dict.fromkeys(FlowKind, 0)
    for flow in history.flows:
        out[flow.kind] += flow.amount
    assert out[FlowKind.ESCROW] == ESCROW
    assert out[FlowKind.PAY] == 3 * (2**80 + 3)
    assert out[FlowKind.BOUNTY] == BOUNTY
    assert out[FlowKind.FEE] == 2**70
    assert out[FlowKind.REFUND] == history.summary.refunded
    assert len(history.timeline.logs) == 16
    assert job_history(session, JobId(bytes(32))) is None


def test_job_history_of_a_live_job_has_its_open_window(session: Session) -> None:
    history = job_history(session, a_job_id(LIVE))
    assert history is not None
    assert history.summary.state is JobState.REVEALING
    assert history.summary.deadline_at == START_TIME + 10**6 + 60
    assert history.summary.ended_at is None
    assert {member.verdict for member in history.rounds[0].members} == {Verdict.PENDING}


def test_job_history_counts_a_shared_transaction_by_halves(
    database: Database,
) -> None:
    chain = MadeChain()
    first, second = a_job_life(1)[0][0], a_job_life(2)[0][0]
    skipped = EntrySkipped(a_job_id(3), WORKERS[0], 0, b"\1\2\3\4")
    chain.mine([*first, *second, skipped])
    index_all(database, chain)
    with database.reading() as session:
        before = job_history(session, a_job_id(1))
    fill_costs(database, chain, limit=10)
    with database.reading() as session:
        after = job_history(session, a_job_id(1))
    assert before is not None
    assert after is not None
    assert (before.gas_used, after.gas_used) == (None, 50_000)


def test_list_workers_orders_them_by_earnings_over_pages(session: Session) -> None:
    found = _all_pages(lambda cursor: list_workers(session, cursor=cursor, limit=1))
    earned = sum(2**80 + number for number in range(JOBS))
    assert [(one.address, one.earned) for one in found] == [
        (WORKERS[2], earned),
        (WORKERS[1], earned),
        (WORKERS[0], earned),
        (WORKERS[3], 0),
    ]


def test_find_participant_has_its_record_exactly(session: Session) -> None:
    worker = find_participant(session, WORKERS[0])
    assert worker == Participant(
        address=WORKERS[0],
        jobs_posted=0,
        jobs_accepted=0,
        escrowed=0,
        refunded=0,
        places=13,
        committed=13,
        revealed=12,
        completed=12,
        missed=0,
        slashed_count=0,
        slashed=0,
        tokens=sum(700 + number for number in range(JOBS)),
        earned=sum(2**80 + number for number in range(JOBS)),
        bounties=0,
        deposited=2**95,
        withdrawn=0,
        seats_opened=1,
        seats_open=1,
        at_stake=2**95,
    )
    requester = find_participant(session, an_account(50))
    assert requester is not None
    assert (requester.jobs_posted, requester.escrowed) == (2, 2 * ESCROW)
    assert not requester.is_worker
    assert find_participant(session, an_account(999)) is None


def test_duties_of_a_worker_over_pages_are_its_places(session: Session) -> None:
    found = _all_pages(
        lambda cursor: duties_of(session, WORKERS[0], cursor=cursor, limit=4)
    )
    numbers = [LIVE, *reversed(range(JOBS))]
    assert [duty.job_id for duty in found] == [a_job_id(n) for n in numbers]
    with pytest.raises(RequestError, match="cursor is malformed"):
        duties_of(session, WORKERS[0], cursor="1.xyz")


def test_actions_of_an_account_are_newest_first(session: Session) -> None:
    actions = actions_of(session, WORKERS[0], limit=3)
    assert [type(log.event).__name__ for log in actions] == [
        "ResultCommitted",
        "WorkerPaid",
        "ResultRevealed",
    ]


def test_seats_of_a_slashed_worker_say_why(
    database: Database, chain: MadeChain
) -> None:
    worker, job = WORKERS[3], a_job_id(LIVE)
    reason = SlashReason.WRONG_RESULT
    chain.mine([SeatSlashed(job, worker, 4, reason, 5), SeatClosed(4, worker, 0)])
    index_all(database, chain)
    with database.reading() as session:
        (seat,) = seats_of(session, worker)
        record = find_participant(session, worker)
    assert (seat.slash_reason, seat.slashed, seat.slashed_job) == (reason, 5, job)
    assert (seat.closed_at, seat.returned) == (
        chain.block_time(chain.block_number()),
        0,
    )
    assert record is not None
    assert (record.seats_open, record.at_stake) == (0, 0)


def test_list_models_counts_jobs_seats_and_pay(
    database: Database, chain: MadeChain
) -> None:
    spam = replace(a_model(), profile=b"\0\xff" + bytes(30))
    chain.mine([ModelRegistered(spam.model_id(), an_account(1), spam)])
    index_all(database, chain)
    with database.reading() as session:
        used, unused = list_models(session)
        assert find_model(session, spam.model_id()) == unused
    assert (used.spec, unused.spec) == (a_model(), spam)
    assert (used.jobs_posted, used.jobs_accepted) == (14, 12)
    assert (used.open_seats, used.lowest_price) == ({0: 4}, 2)
    assert used.paid == sum(3 * (2**80 + n) + 2 * BOUNTY for n in range(JOBS))
    assert (unused.jobs_posted, unused.seats_open, unused.lowest_price) == (0, 0, None)


def test_overview_adds_the_market_up(session: Session, chain: MadeChain) -> None:
    seen = overview(session, window_seconds=3_600)
    tokens = sum(700 + number for number in range(JOBS))
    paid = sum(3 * (2**80 + n) + 2 * BOUNTY for n in range(JOBS))
    assert seen.head_number == chain.block_number()
    assert seen.head_at == chain.block_time(chain.block_number())
    assert (seen.tokens, seen.paid, seen.fees) == (tokens, paid, JOBS * 2**70)
    assert seen.escrowed_now == ESCROW
    assert (seen.seats_open, seen.workers, seen.staked) == (4, 4, 4 * 2**95)
    assert (seen.accepted, seen.failed) == (JOBS, 0)
    assert seen.tokens_per_second == tokens / 3_600
    assert seen.paid_per_token == pytest.approx((paid + JOBS * 2**70) / tokens)
    assert seen.mean_seconds == 3 * BLOCK_SECONDS
    assert seen.gas_per_prompt is None


def test_overview_of_an_empty_index_has_no_figures(database: Database) -> None:
    with database.reading() as session:
        seen = overview(session)
        assert newest_jobs(session) == ()
        assert list_models(session) == ()
    assert (seen.head_number, seen.tokens, seen.paid_per_token) == (-1, 0, None)
    assert seen.mean_seconds is None


def test_gas_per_prompt_is_the_mean_over_jobs_with_known_gas(
    database: Database,
) -> None:
    chain = MadeChain()
    chain.mine(opening(3))
    for block in a_job_life(1):
        chain.mine(*block)
    index_all(database, chain)
    fill_costs(database, chain, limit=100)
    # The posting, the draw, and three transactions in each of two blocks; two prompts.
    gas = 2 * 100_000 + 2 * (100_000 + 100_001 + 100_002)
    with database.reading() as session:
        assert gas_per_prompt(session) == gas / 2


def test_fill_costs_leaves_a_transaction_of_another_block_alone(
    database: Database,
) -> None:
    chain = MadeChain()
    chain.mine(*a_job_life(1)[0])
    index_all(database, chain)
    chain.blocks[1] = replace(chain.blocks[1], digest="0x" + "77" * 32)
    assert fill_costs(database, chain, limit=100) == 0


@pytest.mark.parametrize("step", [60, 3_600])
def test_time_series_adds_up_to_the_jobs(session: Session, step: int) -> None:
    points = time_series(
        session, start=START_TIME - 3_600, end=START_TIME + 3_600, step_seconds=step
    )
    assert points[0].at == (START_TIME - 3_600) // step * step
    assert all(b.at - a.at == step for a, b in zip(points, points[1:], strict=False))
    assert sum(point.posted for point in points) == JOBS + 2
    assert sum(point.accepted for point in points) == JOBS
    assert sum(point.prompts for point in points) == 2 * JOBS
    assert sum(point.tokens for point in points) == sum(700 + n for n in range(JOBS))
    assert sum(point.seconds for point in points) == JOBS * 3 * BLOCK_SECONDS
    paid = sum(3 * (2**80 + n) + 2 * BOUNTY + 2**70 for n in range(JOBS))
    assert sum(point.paid for point in points) == paid


def test_time_series_from_hours_equals_that_from_jobs(session: Session) -> None:
    hour = START_TIME // 3_600 * 3_600
    fine = time_series(session, start=hour, end=hour + 7_200, step_seconds=3_600)
    coarse = time_series(
        session, start=hour, end=hour + 100 * 3_600, step_seconds=3_600
    )
    assert coarse[:2] == fine
    assert sum(point.posted for point in coarse) == JOBS + 2
    other = ModelId(bytes(32))
    none = time_series(
        session, start=hour, end=hour + 7_200, step_seconds=60, model_id=other
    )
    assert not any(point.posted for point in none)


@pytest.mark.parametrize(("end", "step"), [(0, 1), (5_000, 1), (10, 0), (10**6, 7_000)])
def test_time_series_of_senseless_spans_is_refused(
    session: Session, end: int, step: int
) -> None:
    with pytest.raises(RequestError):
        time_series(session, start=0, end=end, step_seconds=step)
