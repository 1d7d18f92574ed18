"""A requester's jobs on real contracts, from posting to the last unit."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from protocol.chain.rpc.provider import connect
from protocol.errors import BadReceipt, ContractReverted, RequestError
from protocol.market.types import JobState
from requester.jobs.drafts import Terms
from requester.jobs.job import Job
from requester.prompts.decoding import Decoding
from requester.receipts.build import build
from requester.receipts.verify import verify
from tests.integration.requester.network import Network

PROMPTS = ["It is a truth", "My dear Mr. Bennet"]
TEXTS = (" universally acknowledged", " have you heard?")
GREEDY = Decoding(max_new_tokens=30, temperature=0)


@pytest.fixture
def job(network: Network) -> Job:
    return network.client.submit(PROMPTS, decoding=GREEDY)


def _money(network: Network) -> int:
    market = network.client.market
    credit = market.account_of(market.address).credit
    return market.token_balance(market.address) + credit


def test_submit_locks_what_was_estimated(network: Network) -> None:
    before = _money(network)
    draft = network.client.prepare(PROMPTS, decoding=GREEDY)
    job = network.client.post(draft)
    assert job.escrowed == draft.estimate.escrow
    assert job.escrowed == network.client.market.escrow_of(draft.params)
    assert _money(network) == before - job.escrowed
    assert network.client.market.allowance(network.client.market.address) == 0


def test_submit_token_with_permits_takes_one_transaction(network: Network) -> None:
    market = network.client.market
    eth = connect(network.market.anvil.url).eth
    before = eth.get_transaction_count(market.address)
    job = network.client.submit(PROMPTS, decoding=GREEDY)
    assert eth.get_transaction_count(market.address) == before + 1
    again = network.client.ensure_posted(job.params, b"")
    assert again.job_id == job.job_id
    assert eth.get_transaction_count(market.address) == before + 1


def test_submit_at_every_tick_and_redundancy_costs_as_estimated(
    network: Network,
) -> None:
    for tick, redundancy in ((0, 1), (3, 3), (7, 3)):
        terms = Terms(tick=tick, redundancy=redundancy)
        draft = network.client.prepare(PROMPTS, decoding=GREEDY, terms=terms)
        market = network.client.market
        assert draft.estimate.escrow == market.escrow_of(draft.params)


def test_job_accepted_pays_and_refunds_to_the_unit(network: Network) -> None:
    before = _money(network)
    job = network.client.submit(PROMPTS, decoding=GREEDY)
    outcome = network.answer(job, TEXTS)
    timeline = job.wait(until="settled", timeout_seconds=10)
    assert timeline.state == JobState.ACCEPTED
    assert job.results().texts == TEXTS

    settled = timeline.settled
    assert settled is not None
    config = network.client.market.config
    pay = config.base_fee + outcome.token_count * network.market.model.base_price
    assert [entry.event.amount for entry in timeline.workers_paid] == [pay] * 3
    assert settled.event.paid == 3 * pay + config.bounty
    assert (
        settled.event.paid + settled.event.refunded + settled.event.fee == job.escrowed
    )
    # The requester drew the committee, so the bounty is its own.
    spent = settled.event.paid + settled.event.fee - config.bounty
    assert _money(network) == before - spent


def test_receipt_of_an_accepted_job_verifies(network: Network, job: Job) -> None:
    network.answer(job, TEXTS)
    receipt = build(job)
    steps = [check.step for check in verify(receipt, network.client.market)]
    assert steps[-3:] == ["headers", "record", "events"]

    forged = copy.deepcopy(receipt)
    forged["outputs"][0]["output"]["text"] = " lies"
    with pytest.raises(BadReceipt, match="outputs"):
        verify(forged, network.client.market)


def test_receipt_shows_the_liar_that_was_slashed(network: Network, job: Job) -> None:
    *honest, liar = network.draw(job)
    right = network.publish(job.params, TEXTS)
    wrong = network.publish(job.params, ("lies", "lies"))
    for member in honest:
        member.commit(job.job_id, right)
    liar.commit(job.job_id, wrong)
    for member in honest:
        member.reveal(job.params, right)
    liar.reveal(job.params, wrong)

    receipt = build(job)
    verify(receipt, network.client.market)
    bond = network.client.market.config.seat_bond
    assert receipt["money"]["slashed"] == bond
    assert receipt["money"]["seatsSlashed"][0]["worker"] == liar.client.address
    assert job.results().texts == TEXTS


def test_receipt_without_a_straggler_verifies(network: Network, job: Job) -> None:
    first, second, silent = network.draw(job)
    outcome = network.publish(job.params, TEXTS)
    first.commit(job.job_id, outcome)
    second.commit(job.job_id, outcome)
    deadline = network.client.market.round_of(job.job_id).deadline
    anvil = network.market.anvil
    anvil.skip(deadline - network.client.market.block_time() + 1)
    first.reveal(job.params, outcome)
    second.reveal(job.params, outcome)

    receipt = build(job)
    verify(receipt, network.client.market)
    assert receipt["rounds"][0]["revealOpened"] is None
    assert receipt["money"]["seatsSlashed"][0]["worker"] == silent.client.address


def test_receipt_of_a_commit_that_was_never_opened_verifies(
    network: Network, job: Job
) -> None:
    members = network.draw(job)
    outcome = network.publish(job.params, TEXTS)
    for member in members:
        member.commit(job.job_id, outcome)
    for member in members[:2]:
        member.reveal(job.params, outcome)
    assert job.wait(timeout_seconds=10).accepted is not None
    deadline = network.client.market.round_of(job.job_id).deadline
    network.market.anvil.skip(deadline - network.client.market.block_time() + 1)

    # Nobody but the requester's own client ends the job.
    timeline = job.wait(until="settled", timeout_seconds=10)
    assert timeline.state == JobState.ACCEPTED
    assert len(timeline.bounties) == 2
    verify(build(job), network.client.market)


def test_job_nobody_answered_fails_and_refunds(network: Network) -> None:
    before = _money(network)
    job = network.client.submit(PROMPTS, decoding=GREEDY)
    network.draw(job)
    deadline = network.client.market.round_of(job.job_id).deadline
    network.market.anvil.skip(deadline - network.client.market.block_time() + 1)
    timeline = job.wait(timeout_seconds=10)
    assert timeline.state == JobState.FAILED
    # Both bounties were the requester's own.
    assert _money(network) == before
    with pytest.raises(RequestError, match="is Failed and has no results"):
        job.results()
    with pytest.raises(RequestError, match="is Failed; a receipt needs"):
        build(job)


def test_job_without_a_draw_expires(network: Network, job: Job) -> None:
    network.expire()
    timeline = job.wait(timeout_seconds=10)
    assert timeline.state == JobState.FAILED
    assert timeline.last_drawn is None


def test_cancel_after_the_draw_deadline_refunds_all(network: Network) -> None:
    before = _money(network)
    job = network.client.submit(PROMPTS, decoding=GREEDY)
    network.expire()
    assert job.cancel().state == JobState.CANCELLED
    assert _money(network) == before


def test_cancel_before_the_seed_block_refunds_all(network: Network) -> None:
    before = _money(network)
    job = network.client.submit(PROMPTS, decoding=GREEDY)
    # The next block is the last one before the seed block.
    assert job.cancel().state == JobState.CANCELLED
    assert _money(network) == before


def test_cancel_between_is_refused_with_the_window(network: Network, job: Job) -> None:
    network.market.anvil.mine(2)
    current = network.client.market.round_of(job.job_id)
    window = f"before block {current.seed_block} or after block {current.expiry_block}"
    with pytest.raises(ContractReverted, match=window):
        job.cancel()
    assert job.state() == JobState.OPEN


def test_cancel_once_drawn_is_refused(network: Network, job: Job) -> None:
    network.draw(job)
    with pytest.raises(RequestError, match="is Committing"):
        job.cancel()


def test_advance_after_somebody_else_drew_is_no_error(
    network: Network, job: Job
) -> None:
    network.market.anvil.mine(2)
    network.market.client(9).advance(job.params)
    assert job.advance() is False
    assert job.state() == JobState.COMMITTING


def test_jobs_are_listed_oldest_first(network: Network) -> None:
    posted = [network.client.submit("x", decoding=GREEDY) for _ in range(2)]
    assert [j.job_id for j in network.client.jobs()] == [j.job_id for j in posted]


def test_submit_of_an_unregistered_model_is_refused(network: Network) -> None:
    other = replace(network.market.model, base_price=3)
    terms = Terms(model_id=other.model_id())
    with pytest.raises(RequestError, match="is not registered"):
        network.client.submit("x", terms=terms)
