"""A job from its posting to its end, with three workers on a real node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import pytest

from protocol.chain.client import MarketClient
from protocol.errors import ContractReverted
from protocol.market.events import (
    BountyPaid,
    CommitteeDrawn,
    DrawArmed,
    Event,
    JobCancelled,
    JobPosted,
    JobSettled,
    ResultAccepted,
    ResultCommitted,
    ResultRevealed,
    RevealOpened,
    SeatClosed,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.types import (
    JobParams,
    JobState,
    ModelId,
    OutcomeStatus,
    SlashReason,
)
from tests.support.market.values import an_outcome
from tests.support.network.chain import Stage

_E = TypeVar("_E", bound=Event)

PRICE = 2
WORKERS = (2, 3, 4)


@pytest.fixture(scope="module")
def staffed(deployed: Stage) -> Iterator[MarketClient]:
    """The requester of a market with a model and three workers."""
    with deployed.anvil.undone():
        deployed.client(0).register_model(deployed.model)
        for index in WORKERS:
            deployed.worker(index)
        yield deployed.requester()


# `staffed` comes first, so that `market` takes back the test alone.
@pytest.fixture
def requester(staffed: MarketClient, market: Stage) -> MarketClient:
    return staffed


def test_job_life_agreeing_workers_are_paid(
    market: Stage, requester: MarketClient
) -> None:
    params = market.job(requester)
    job_id = requester.job_id_of(params)
    config = requester.config
    escrowed = requester.escrow_of(params)
    money = requester.token_balance(requester.address)
    credits = {i: _credit(market.client(i)) for i in WORKERS}
    treasury = requester.account_of(config.treasury).credit
    assert requester.state_of(job_id) == JobState.NONEXISTENT

    posted = requester.post_job(params)
    assert requester.token_balance(requester.address) == money - escrowed
    current = requester.round_of(job_id)
    assert (current.state, current.number) == (JobState.OPEN, 1)
    assert current.seed_block == posted.block_number + 2
    with pytest.raises(ContractReverted) as refusal:
        requester.advance(params)
    assert refusal.value.name == "NothingDue"

    drawn = market.draw(requester, params)
    current = requester.round_of(job_id)
    assert current.state == JobState.COMMITTING
    assert current.seat_ids[:3] == drawn.seat_ids
    assert current.deadline == drawn.commit_deadline
    members = market.members(drawn)
    assert len(members) == len(WORKERS)

    outcome = an_outcome()
    for member in members:
        member.commit(job_id, outcome)
    assert requester.state_of(job_id) == JobState.REVEALING
    assert requester.round_of(job_id).committed == 0b111
    for member in members:
        member.reveal(params, outcome)
    assert requester.state_of(job_id) == JobState.ACCEPTED

    pay = config.base_fee + outcome.token_count * PRICE
    for index in WORKERS:
        assert _credit(market.client(index)) == credits[index] + pay
        assert requester.account_of(market.client(index).address).completed == 1
    settled = _only(requester, params, JobSettled)
    assert settled.state == JobState.ACCEPTED
    assert settled.paid == 3 * pay + config.bounty
    assert settled.fee == settled.paid * config.fee_bps // 10_000
    assert settled.paid + settled.refunded + settled.fee == escrowed
    # The requester drew the committee, so the bounty is its own.
    assert _credit(requester) == settled.refunded + config.bounty
    assert requester.account_of(config.treasury).credit == treasury + settled.fee
    assert requester.is_recorded(job_id, outcome, settled.transcript)
    assert not requester.is_recorded(job_id, an_outcome("other"), settled.transcript)
    assert not requester.is_recorded(job_id, outcome, bytes(32))


def test_events_of_a_job_tell_its_whole_history(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester)
    job_id = requester.job_id_of(params)
    drawn = market.draw(requester, params)
    members = market.members(drawn)
    outcome = an_outcome()
    for member in members:
        member.commit(job_id, outcome)
    for member in members:
        member.reveal(params, outcome)

    logs = requester.events(job_id=job_id)
    events = [log.event for log in logs]
    kinds: list[type[Event]] = [JobPosted, DrawArmed, CommitteeDrawn, BountyPaid]
    kinds += [ResultCommitted] * 3 + [RevealOpened]
    kinds += [ResultRevealed, ResultRevealed, ResultAccepted, ResultRevealed]
    kinds += [WorkerPaid] * 3 + [JobSettled]
    assert [type(event) for event in events] == kinds
    assert events[0] == JobPosted(
        job_id,
        requester.address,
        params.model_id,
        params,
        requester.escrow_of(params),
    )
    assert events[2] == drawn
    assert drawn.seed_block == events[1].seed_block  # type: ignore[attr-defined]
    reveals = [event for event in events if isinstance(event, ResultRevealed)]
    for member, event in zip(members, reveals, strict=True):
        worker = member.client.address
        salt = member.salt(job_id)
        expected = ResultRevealed(job_id, worker, 1, member.place, outcome, salt)
        assert event == expected
    accepted = next(event for event in events if isinstance(event, ResultAccepted))
    assert accepted.answer == outcome.answer()
    positions = [(log.block_number, log.log_index) for log in logs]
    assert positions == sorted(positions)
    assert {log.address for log in logs} == {market.deployment.marketplace}
    assert logs[0].block_hash == requester.block_hash(logs[0].block_number)
    only = requester.events(job_id=job_id, kinds=(ResultAccepted, JobSettled))
    assert [type(log.event) for log in only] == [ResultAccepted, JobSettled]


def test_job_life_a_wrong_answer_is_slashed(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester)
    job_id = requester.job_id_of(params)
    *honest, liar = market.members(market.draw(requester, params))
    answers = {m.place: an_outcome() for m in honest} | {liar.place: an_outcome("x")}
    for member in (*honest, liar):
        member.commit(job_id, answers[member.place])
    for member in (*honest, liar):
        member.reveal(params, answers[member.place])

    slashed = _only(requester, params, SeatSlashed)
    bond = requester.config.seat_bond
    assert slashed.worker == liar.client.address
    assert (slashed.reason, slashed.amount) == (SlashReason.WRONG_RESULT, bond)
    closed = [log.event for log in requester.events(kinds=(SeatClosed,))]
    assert closed == [SeatClosed(slashed.seat_id, liar.client.address, 0)]
    assert requester.account_of(liar.client.address).slashed == 1


def test_advance_after_the_windows_settles_without_the_silent(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester)
    job_id = requester.job_id_of(params)
    drawn = market.draw(requester, params)
    first, second, silent = market.members(drawn)
    outcome = an_outcome()
    first.commit(job_id, outcome)
    second.commit(job_id, outcome)
    market.anvil.skip(drawn.commit_deadline - requester.block_time() + 1)
    assert requester.state_of(job_id) == JobState.REVEALING
    first.reveal(params, outcome)
    second.reveal(params, outcome)

    assert requester.state_of(job_id) == JobState.ACCEPTED
    assert _only(requester, params, SeatSlashed).reason == SlashReason.NO_SHOW
    assert requester.account_of(silent.client.address).missed == 1


def test_advance_without_any_commit_fails_the_job(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester)
    job_id = requester.job_id_of(params)
    drawn = market.draw(requester, params)
    market.anvil.skip(drawn.commit_deadline - requester.block_time() + 1)

    keeper = market.client(9)
    before = _credit(keeper)
    keeper.advance(params)
    assert requester.state_of(job_id) == JobState.FAILED
    assert _credit(keeper) == before + requester.config.bounty
    assert _only(requester, params, JobSettled).state == JobState.FAILED


def test_advance_after_the_draw_deadline_fails_the_job(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester)
    expiry = requester.round_of(requester.job_id_of(params)).expiry_block
    market.anvil.mine(expiry - requester.block_number())

    requester.advance(params)
    assert requester.state_of(requester.job_id_of(params)) == JobState.FAILED


def test_advance_in_the_last_block_of_the_draw_succeeds(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester)
    expiry = requester.round_of(requester.job_id_of(params)).expiry_block
    market.anvil.mine(expiry - 1 - requester.block_number())

    result = requester.advance(params)
    assert result.block_number == expiry
    assert requester.state_of(requester.job_id_of(params)) == JobState.COMMITTING


def test_cancel_job_before_its_seed_refunds_all(
    market: Stage, requester: MarketClient
) -> None:
    params = market.job(requester)
    escrowed = requester.escrow_of(params)
    requester.post_job(params)
    before = _credit(requester)
    result = requester.cancel_job(params)

    job_id = requester.job_id_of(params)
    assert [log.event for log in result.logs] == [JobCancelled(job_id, escrowed)]
    assert _credit(requester) == before + escrowed
    assert requester.state_of(job_id) == JobState.CANCELLED
    assert requester.round_of(job_id).state.is_final


def test_reveal_result_of_another_outcome_reverts(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester, redundancy=1)
    job_id = requester.job_id_of(params)
    (member,) = market.members(market.draw(requester, params))
    with pytest.raises(ContractReverted) as refusal:
        member.client.commit_result(job_id, member.place + 1, b"\1" * 32)
    assert refusal.value.name == "NotOnCommittee"
    member.commit(job_id, an_outcome())

    with pytest.raises(ContractReverted) as refusal:
        member.reveal(params, an_outcome("another"))
    assert refusal.value.name == "CommitmentMismatch"
    assert refusal.value.arguments[0] == job_id
    too_long = an_outcome(token_count=params.max_tokens + 1)
    with pytest.raises(ContractReverted) as refusal:
        member.reveal(params, too_long)
    assert refusal.value.name == "InvalidOutcome"
    assert refusal.value.arguments == (job_id, too_long)
    assert too_long.status is OutcomeStatus.OK


def test_post_job_of_an_unknown_model_reverts(
    market: Stage, requester: MarketClient
) -> None:
    unknown = ModelId(b"\7" * 32)
    params = market.job(requester, model_id=unknown)
    with pytest.raises(ContractReverted) as refusal:
        requester.post_job(params)
    assert (refusal.value.name, refusal.value.arguments) == ("UnknownModel", (unknown,))


def _credit(client: MarketClient) -> int:
    return client.account_of(client.address).credit


def _only(client: MarketClient, params: JobParams, kind: type[_E]) -> _E:
    job_id = client.job_id_of(params)
    (log,) = client.events(job_id=job_id, kinds=(kind,))
    assert isinstance(log.event, kind)
    return log.event
