"""Second rounds, batches, deliveries, permits and announcements on a real node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_utils.address import to_checksum_address

from protocol.chain.abi.reverts import error_name
from protocol.chain.client import MarketClient
from protocol.errors import ContractReverted
from protocol.market.calls import RevealEntry
from protocol.market.events import (
    Announced,
    BountyPaid,
    EntrySkipped,
    Event,
    Log,
    ResultCommitted,
    ResultDelivered,
    ResultRevealed,
    RoundSplit,
    SeatSlashed,
    WorkerPaid,
)
from protocol.market.timeline import Timeline
from protocol.market.types import JobId, JobParams, JobState, Outcome, SlashReason
from tests.support.market.values import an_outcome
from tests.support.network.chain import FIRST_WORKER, Player, Stage

WORKERS = range(FIRST_WORKER, FIRST_WORKER + 8)
RIGHT, WRONG = an_outcome("right"), an_outcome("wrong")
CONSUMER = to_checksum_address("0x" + "c0" * 20)
# Stops at once; jumps to nowhere; burns all gas.
OBEDIENT, FAULTY, HUNGRY = "0x00", "0xfe", "0x5b600056"


@pytest.fixture(scope="module")
def staffed(deployed: Stage) -> Iterator[MarketClient]:
    """The requester of a market with a model and eight workers."""
    with deployed.anvil.undone():
        deployed.client(0).register_model(deployed.model)
        for index in WORKERS:
            deployed.worker(index, seats=2)
        yield deployed.requester()


@pytest.fixture
def requester(staffed: MarketClient, market: Stage) -> MarketClient:
    return staffed


def _split(market: Stage, requester: MarketClient, params: JobParams) -> list[Player]:
    """A first round with one honest member, one liar and an absentee."""
    job_id = requester.job_id_of(params)
    members = market.members(market.draw(requester, params))
    honest, liar, _ = members
    honest.commit(job_id, RIGHT)
    liar.commit(job_id, WRONG)
    _let_pass(market, requester, job_id)
    honest.reveal(params, RIGHT)
    liar.reveal(params, WRONG)
    return members


def _let_pass(market: Stage, reader: MarketClient, job_id: JobId) -> None:
    deadline = reader.round_of(job_id).deadline
    market.anvil.skip(deadline - reader.block_time() + 1)


def _timeline(reader: MarketClient, params: JobParams) -> Timeline:
    job_id = reader.job_id_of(params)
    return Timeline.of(job_id, reader.events(job_id=job_id))


def _events(reader: MarketClient, params: JobParams, kind: type[Event]) -> list[Event]:
    logs = reader.events(job_id=reader.job_id_of(params), kinds=(kind,))
    return [log.event for log in logs]


# ---------------------------------------------------------------- rounds


def test_split_keeps_the_answers_and_arms_a_second_round(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester, max_rounds=2)
    job_id = requester.job_id_of(params)
    honest, liar, absent = _split(market, requester, params)

    current = requester.round_of(job_id)
    assert (current.state, current.number) == (JobState.OPEN, 2)
    split = requester.split_round_of(job_id)
    assert split is not None
    seats = _timeline(requester, params).rounds[0].places
    kept = {honest.place: seats[honest.place].seat_id}
    kept[liar.place] = seats[liar.place].seat_id
    assert {p: s for p, s in enumerate(split.seat_ids) if s} == kept
    assert split.expelled == (absent.client.address,)
    (event,) = _events(requester, params, RoundSplit)
    assert isinstance(event, RoundSplit)
    first = _timeline(requester, params).rounds[0]
    assert event.transcript == split.transcript == first.transcript(bytes(32))
    assert first.split is not None and first.accepted is None


def test_second_round_of_five_others_settles_the_job(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester, max_rounds=2)
    job_id = requester.job_id_of(params)
    earlier = _split(market, requester, params)
    with pytest.raises(ContractReverted) as refusal:
        requester.cancel_job(params)
    assert refusal.value.name == "NotCancellable"

    members = market.members(market.draw(requester, params))
    assert len(members) == 5
    addresses = {member.client.address for member in members}
    assert not addresses & {member.client.address for member in earlier}
    for member in members:
        member.commit(job_id, RIGHT)
    for member in members:
        member.reveal(params, RIGHT)

    timeline = _timeline(requester, params)
    assert timeline.state == JobState.ACCEPTED
    assert timeline.outcome == RIGHT
    assert [one.number for one in timeline.rounds] == [1, 2]
    settled = timeline.settled
    assert settled is not None
    # The twin hashes what both rounds did as the contract does.
    assert settled.event.transcript == timeline.transcript
    assert requester.is_recorded(job_id, RIGHT, timeline.transcript)
    _check_money(requester, params, timeline, honest=earlier[0], liar=earlier[1])


def _check_money(
    requester: MarketClient,
    params: JobParams,
    timeline: Timeline,
    *,
    honest: Player,
    liar: Player,
) -> None:
    config = requester.config
    pay = config.base_fee + RIGHT.token_count * 2
    paid = {e.event.worker: e.event.amount for e in timeline.workers_paid}
    # Five of the second round, and the one of the first that was right.
    assert len(paid) == 6 and set(paid.values()) == {pay}
    assert honest.client.address in paid
    slashed = {e.event.worker: e.event.reason for e in timeline.slashed}
    assert slashed[liar.client.address] is SlashReason.WRONG_RESULT
    assert sorted(slashed.values()) == [SlashReason.NO_SHOW, SlashReason.WRONG_RESULT]
    assert timeline.settled is not None
    settled = timeline.settled.event
    bounties = sum(entry.event.amount for entry in timeline.bounties)
    assert settled.paid == 6 * pay + bounties
    escrowed = timeline.posted.event.escrowed
    assert escrowed == requester.escrow_of(params)
    assert settled.paid + settled.refunded + settled.fee == escrowed
    assert requester.split_round_of(timeline.job_id) is None


def test_second_round_of_a_bare_majority_slashes_no_earlier_answer(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester, max_rounds=2)
    job_id = requester.job_id_of(params)
    _, liar, _ = _split(market, requester, params)
    members = market.members(market.draw(requester, params))
    outcomes = [RIGHT, RIGHT, RIGHT, WRONG, WRONG]
    for member, outcome in zip(members, outcomes, strict=True):
        member.commit(job_id, outcome)
    for member, outcome in zip(members, outcomes, strict=True):
        member.reveal(params, outcome)

    timeline = _timeline(requester, params)
    assert timeline.outcome == RIGHT
    assert timeline.settled is not None
    assert timeline.settled.event.transcript == timeline.transcript
    paid = {e.event.worker: e.event.amount for e in timeline.workers_paid}
    assert paid[liar.client.address] == requester.config.base_fee
    wrong = [
        entry.event.worker
        for entry in timeline.slashed
        if entry.event.reason is SlashReason.WRONG_RESULT
    ]
    assert wrong == [member.client.address for member in members[3:]]


def test_second_split_fails_the_job_and_pays_who_answered(
    market: Stage, requester: MarketClient
) -> None:
    params = market.post(requester, max_rounds=2)
    job_id = requester.job_id_of(params)
    _split(market, requester, params)
    members = market.members(market.draw(requester, params))
    outcomes = [an_outcome(str(index)) for index in range(5)]
    for member, outcome in zip(members, outcomes, strict=True):
        member.commit(job_id, outcome)
    for member, outcome in zip(members, outcomes, strict=True):
        member.reveal(params, outcome)

    timeline = _timeline(requester, params)
    assert timeline.state == JobState.FAILED
    amounts = [entry.event.amount for entry in timeline.workers_paid]
    assert amounts == [requester.config.base_fee] * 7
    assert timeline.settled is not None
    assert timeline.settled.event.transcript == timeline.transcript
    assert timeline.deliverable == (Outcome.none(), timeline.transcript)


# ---------------------------------------------------------------- batches


def test_batch_commits_and_reveals_all_but_what_does_not_apply(
    market: Stage, requester: MarketClient
) -> None:
    jobs: list[JobParams] = []
    members: list[Player] = []
    for _ in range(3):
        # One after the other: a seat taken since a job was armed leaves a place vacant.
        jobs.append(market.post(requester, redundancy=1))
        members += market.members(market.draw(requester, jobs[-1]))
    first = members[0]
    ids = [requester.job_id_of(params) for params in jobs]
    mine = [i for i, m in enumerate(members) if m.client.address == _address(first)]

    entries = [first.entry(job_id, RIGHT) for job_id in ids]
    logs = first.client.commit_results(entries).logs
    assert _jobs(logs, ResultCommitted) == [ids[i] for i in mine]
    skipped = [log.event for log in logs if isinstance(log.event, EntrySkipped)]
    assert [e.job_id for e in skipped] == [x for x in ids if x not in _ids(ids, mine)]
    assert {error_name(event.reason) for event in skipped} <= {"NotOnCommittee"}

    again = first.client.commit_results(entries[:1]).logs
    (refused,) = [log.event for log in again if isinstance(log.event, EntrySkipped)]
    assert error_name(refused.reason) == "UnexpectedJobState"

    reveals = [
        RevealEntry(jobs[i], members[i].place, RIGHT, first.salt(ids[i])) for i in mine
    ]
    shown = first.client.reveal_results(reveals).logs
    assert _jobs(shown, ResultRevealed) == [ids[i] for i in mine]
    assert all(requester.state_of(ids[i]) == JobState.ACCEPTED for i in mine)


def _address(member: Player) -> str:
    return str(member.client.address)


def _ids(ids: list[JobId], chosen: list[int]) -> list[JobId]:
    return [ids[index] for index in chosen]


def _jobs(logs: tuple[Log, ...], kind: type[Event]) -> list[JobId]:
    events = (log.event for log in logs)
    return [event.job_id for event in events if isinstance(event, kind)]  # type: ignore[attr-defined]


# ---------------------------------------------------------------- deliveries


def _settle(market: Stage, requester: MarketClient, params: JobParams) -> JobId:
    job_id = requester.job_id_of(params)
    members = market.members(market.draw(requester, params))
    for member in members:
        member.commit(job_id, RIGHT)
    for member in members:
        member.reveal(params, RIGHT)
    return job_id


@pytest.mark.parametrize(
    ("code", "has_succeeded"), [(OBEDIENT, True), (FAULTY, False), (HUNGRY, False)]
)
def test_deliver_pays_its_bounty_whatever_the_callback_does(
    market: Stage, requester: MarketClient, code: str, has_succeeded: bool
) -> None:
    market.anvil.rpc("anvil_setCode", CONSUMER, code)
    callback = {"callback": CONSUMER, "callback_gas_limit": 50_000}
    params = market.post(requester, **callback)
    job_id = _settle(market, requester, params)
    deliverable = _timeline(requester, params).deliverable
    assert deliverable is not None and deliverable[0] == RIGHT

    keeper = market.client(9)
    logs = keeper.deliver(params, *deliverable).logs
    bounty, delivered = (log.event for log in logs)
    assert bounty == BountyPaid(job_id, keeper.address, requester.config.bounty)
    assert delivered == ResultDelivered(job_id, params.callback, has_succeeded)
    assert requester.round_of(job_id).is_delivered
    with pytest.raises(ContractReverted) as refusal:
        keeper.deliver(params, *deliverable)
    assert refusal.value.name == "AlreadyDelivered"


def test_deliver_of_another_outcome_is_refused(
    market: Stage, requester: MarketClient
) -> None:
    market.anvil.rpc("anvil_setCode", CONSUMER, OBEDIENT)
    callback = {"callback": CONSUMER, "callback_gas_limit": 50_000}
    params = market.post(requester, **callback)
    _settle(market, requester, params)
    transcript = _timeline(requester, params).transcript
    with pytest.raises(ContractReverted) as refusal:
        requester.deliver(params, WRONG, transcript)
    assert refusal.value.name == "RecordMismatch"


# ---------------------------------------------------------------- permits, others


def test_post_job_with_permit_needs_no_allowance(
    market: Stage, requester: MarketClient
) -> None:
    requester.approve(0)
    params = market.job(requester)
    escrow = requester.escrow_of(params)
    assert requester.takes_permits()
    requester.post_job_with_permit(params, escrow)
    assert requester.state_of(requester.job_id_of(params)) == JobState.OPEN
    assert requester.allowance(requester.address) == 0
    # A second permit has the next nonce.
    another = market.job(requester)
    requester.post_job_with_permit(another, escrow)
    assert requester.state_of(requester.job_id_of(another)) == JobState.OPEN


def test_announce_is_an_event_of_the_account(
    market: Stage, requester: MarketClient
) -> None:
    message = b"/ip4/127.0.0.1/tcp/4001/p2p/Qm"
    (log,) = requester.announce(message).logs
    assert log.event == Announced(requester.address, message)
    with pytest.raises(ContractReverted) as refusal:
        requester.announce(b"x" * 513)
    assert refusal.value.name == "InvalidAnnouncement"


def test_money_of_split_jobs_is_the_books_money(
    market: Stage, requester: MarketClient
) -> None:
    """Nothing but events: who was paid and slashed in the rounds before the end."""
    params = market.post(requester, max_rounds=2)
    _split(market, requester, params)
    slashed = _events(requester, params, SeatSlashed)
    reasons = [event.reason for event in slashed if isinstance(event, SeatSlashed)]
    assert reasons == [SlashReason.NO_SHOW]
    assert _events(requester, params, WorkerPaid) == []
